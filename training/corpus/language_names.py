"""Languages in a configuration, by code or name in any case: "EN" and "English" are "en"."""

from typing import Any

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.translation.languages import as_tag


def name_languages(tree: dict[str, Any]) -> None:
    """Put the usual codes in place of the languages of a run's raw configuration. Values of other types than expected
    stay as they are. Raises InvalidInputError that names the key if one corpus has a language twice."""
    data = tree.get("data")
    if not isinstance(data, dict):
        return
    _name_directions(data)
    if isinstance(corpora := data.get("train"), list):
        for number, corpus in enumerate(corpora):
            if isinstance(corpus, dict):
                _name_directions(corpus)
                _name_files(corpus, f"data.train.{number}")
                for key in ("shards", "columns"):
                    if isinstance(inner := corpus.get(key), dict):
                        _name_files(inner, f"data.train.{number}.{key}", kinds=(str, int, list))
    if isinstance(dev := data.get("dev"), dict):
        _name_files(dev, "data.dev")
        for name, files in dev.items():
            if isinstance(files, dict):
                _name_directions(files)
                _name_files(files, f"data.dev.{name}")


def _name_directions(table: dict[str, Any]) -> None:
    if isinstance(directions := table.get("directions"), list):
        table["directions"] = [_name_direction(text) if isinstance(text, str) else text for text in directions]


def _name_direction(text: str) -> str:
    try:
        direction = Direction.parse(text)
    except InvalidInputError:
        return text
    source, target = as_tag(direction.source), as_tag(direction.target)
    return text if (source, target) == (direction.source, direction.target) else f"{source}→{target}"


def _name_files(files: dict[str, Any], key: str, *, kinds: tuple[type, ...] = (str,)) -> None:
    """Rename the keys of files, in their order. kinds: of the values under languages."""
    named: dict[str, Any] = {}
    for language, path in files.items():
        code = as_tag(language) if isinstance(path, kinds) else language
        if code in named:
            raise InvalidInputError(f"{key}: has the language {code} twice, the second time as {language}")
        named[code] = path
    files.clear()
    files.update(named)

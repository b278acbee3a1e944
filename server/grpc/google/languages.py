"""Google's codes of languages, and which of the models' languages they mean."""

import re
from collections.abc import Iterable

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.server.catalogue.catalogue import Catalogue

_CODE = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
"""The form of a language's code (BCP 47): the names of files are made of them."""


def find_language(code: str, known: Iterable[str]) -> str | None:
    """The known language that is meant: the same but for case and "_", else that without region or script, "de" for
    "de-DE"; None if there is neither."""
    if not _CODE.fullmatch(code):
        return None
    by_code = {_normalize(language): language for language in known}
    wanted = _normalize(code)
    return by_code.get(wanted) or by_code.get(wanted.partition("-")[0])


def _normalize(code: str) -> str:
    return code.replace("_", "-").lower()


def directions_of(catalogue: Catalogue, model: str | None) -> frozenset[Direction]:
    """Those of a model, or of all. Raises NotFoundError."""
    if model is None:
        return catalogue.directions()
    with catalogue.get(model) as lease:
        return frozenset(lease.translator.directions)


def find_sources(directions: Iterable[Direction], source_code: str, target_code: str) -> tuple[list[str], str]:
    """The source languages that are possible, ascending: the one that the code means, or without one all that lead to
    the target; and the target language. Raises InvalidInputError that names the field, and what there is."""
    if not target_code:
        raise InvalidInputError("target_language_code: is empty; name the language to translate into")
    directions = sorted(directions, key=str)
    target = find_language(target_code, (direction.target for direction in directions))
    if target is None:
        known = ", ".join(sorted({direction.target for direction in directions}))
        raise InvalidInputError(f'target_language_code: nothing translates into "{target_code}"; there is {known}')
    sources = sorted({direction.source for direction in directions if direction.target == target})
    if not source_code:
        return sources, target
    source = find_language(source_code, sources)
    if source is None:
        known = ", ".join(map(str, directions))
        raise InvalidInputError(
            f'source_language_code: nothing translates from "{source_code}" to "{target_code}"; there is {known}'
        )
    return [source], target

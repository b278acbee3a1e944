"""The target language of `dragoman translate` where none is given, and a word on texts that are in it already."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from dragoman.model.errors import InvalidInputError

if TYPE_CHECKING:
    from dragoman.model.config import Direction
    from dragoman.translation.results import Translation

MAX_EXAMINED = 4096
"""Characters of the texts that are examined for their language."""

MAX_SHOWN = 40
"""Characters of a text in a message."""


def choose_target(directions: Collection["Direction"], source_language: str | None, texts: Iterable[str]) -> str:
    """The only language into which texts can be translated, from the language that is given or else is theirs.

    texts: none if they cannot be read beforehand. Raises InvalidInputError if several languages are possible, or if
    the texts do not show their language.
    """
    from dragoman.translation.languages import english_name, find_language

    targets = list(dict.fromkeys(direction.target for direction in directions))
    if len(targets) == 1:
        return targets[0]
    sources = list(dict.fromkeys(direction.source for direction in directions))
    source = find_language(source_language, sources) if source_language else likeliest_language(texts, sources)
    possible = [direction.target for direction in directions if direction.source == source]
    if len(possible) == 1:
        return possible[0]
    why = f"{english_name(source)} is translated" if source and possible else "the model translates"
    raise InvalidInputError(f"give --to LANGUAGE: {why} to {', '.join(possible or targets)}")


def likeliest_language(texts: Iterable[str], languages: Sequence[str]) -> str | None:
    """The language of texts, among the given ones; None if they have no letters, or none of these can be identified."""
    from dragoman.translation.languages import LanguageIdentifier, primary_subtag
    from dragoman.translation.normalizing.foreign import common_words

    examined = ""
    for text in texts:
        examined += f"{text}\n"
        if len(examined) >= MAX_EXAMINED:
            break
    examined = examined[:MAX_EXAMINED]
    words = re.findall(r"[^\W\d_]+", examined.lower())
    if not words:
        return None
    # Common words need no model, which takes two seconds to load, and are surer in a text of two words.
    num_common = {language: sum(word in common_words(language) for word in words) for language in languages}
    if sum(map(bool, num_common.values())) == 1:
        return max(languages, key=lambda language: num_common[language])
    identifier = LanguageIdentifier()
    known = dict(identifier.rank(examined))
    found = {language: known.get(primary_subtag(language), 0.0) for language in languages}
    best = max(languages, key=lambda language: found[language])
    return best if found[best] else None


def name_unchanged(
    translations: Iterable["Translation"], to: str, directions: Collection["Direction"]
) -> Iterator["Translation"]:
    """The translations. Of a text that is in the target language, and so stays as it is, standard error says so: a
    person who gave it has mixed up the languages. directions: none if they are not known."""
    from dragoman.translation.languages import english_name, find_language
    from dragoman.translation.normalizing.foreign import is_in_target

    target = find_language(to, {direction.target for direction in directions}) or to
    sources = {direction.source for direction in directions if direction.target == target}
    others = sorted(direction.target for direction in directions if direction.source == target)
    for translation in translations:
        text = translation.source
        is_in_it = bool(sources) and all(is_in_target(text, source, target) for source in sources)
        if (translation.is_unchanged or is_in_it) and translation.text == text:
            shown = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
            hint = f"; --to {' or '.join(others)} translates it" if others else ""
            typer.echo(f"“{shown}” is {english_name(target)} already, and stays as it is{hint}", err=True)
        yield translation

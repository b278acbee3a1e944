"""Which of the models' languages a caller's BCP 47 tag means."""

import re
from collections.abc import Collection, Iterable

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError

_TAG = re.compile(r"[A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})*")


class UnknownLanguageError(NotFoundError):
    """No model translates from, or into, this language."""


def find_language(tag: str, known: Iterable[str]) -> str | None:
    """The known language that a tag means: the same but for case and "_", else the one with the longest beginning of
    it, "zh-Hant" or "zh" for "zh-Hant-TW" (RFC 4647, lookup); None if there is none."""
    if not _TAG.fullmatch(tag):
        return None
    by_tag = {_normalize(language): language for language in known}
    wanted = _normalize(tag)
    while wanted not in by_tag:
        wanted = wanted.rpartition("-")[0]
        if not wanted:
            return None
    return by_tag[wanted]


def _normalize(tag: str) -> str:
    return tag.replace("_", "-").lower()


def find_sources(directions: Collection[Direction], source: str, target: str) -> tuple[list[str], str]:
    """The source languages that are possible, ascending: the one that the tag means, or without one all that lead to
    the target; and the target language. Raises InvalidInputError without a target, UnknownLanguageError that names the
    field and what there is."""
    if source and Direction(source, target) in directions:
        return [source], target
    if not target:
        raise InvalidInputError("target_language_code: is empty; name the language to translate into")
    found = find_language(target, {direction.target for direction in directions})
    if found is None:
        known = ", ".join(sorted({direction.target for direction in directions}))
        raise UnknownLanguageError(f'target_language_code: nothing translates into "{target}"; there is {known}')
    sources = sorted({direction.source for direction in directions if direction.target == found})
    if not source:
        return sources, found
    only = find_language(source, sources)
    if only is None:
        known = ", ".join(sorted(map(str, directions)))
        raise UnknownLanguageError(
            f'source_language_code: nothing translates from "{source}" to "{target}"; there is {known}'
        )
    return [only], found

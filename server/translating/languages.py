"""Resolution of callers' BCP 47 tags to the models' languages."""

from functools import lru_cache

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.translation.languages import find_language


class UnknownLanguageError(NotFoundError):
    """No model translates from or into this language."""


@lru_cache(256)
def find_sources(directions: frozenset[Direction], source: str, target: str) -> tuple[tuple[str, ...], str]:
    """The possible source languages, ascending, and the target language. source: empty allows all sources of the
    target.

    Raises InvalidInputError without a target, and UnknownLanguageError that names the field and the known languages."""
    if source and Direction(source, target) in directions:
        return (source,), target
    if not target:
        raise InvalidInputError("target_language_code: is empty; name the language to translate into")
    found = find_language(target, {direction.target for direction in directions})
    if found is None:
        known = ", ".join(sorted({direction.target for direction in directions}))
        raise UnknownLanguageError(f'target_language_code: nothing translates into "{target}"; there is {known}')
    sources = sorted({direction.source for direction in directions if direction.target == found})
    if not source:
        return tuple(sources), found
    only = find_language(source, sources)
    if only is None:
        known = ", ".join(sorted(map(str, directions)))
        raise UnknownLanguageError(
            f'source_language_code: nothing translates from "{source}" to "{target}"; there is {known}'
        )
    return (only,), found

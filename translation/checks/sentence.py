"""The checks of one sentence and its translation."""

import re
from collections.abc import Sequence

from dragoman.translation.checks.figures import differing_figures
from dragoman.translation.checks.repeats import find_loop
from dragoman.translation.checks.words import is_in_wrong_language, is_untranslated
from dragoman.translation.markup.alignment import Span
from dragoman.translation.results import TranslationWarning, WarningKind

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Letters of which one stands for about three of an alphabet."""

_UNKNOWN = re.compile("[\ufffd\u2047]")
"""Stand for what a vocabulary cannot spell."""

_PICTURE = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
"""Emoji and their like: bytes that a model writes at random for a sign that it does not know."""


def check_sentence(
    source: str,
    target: str,
    source_language: str,
    target_language: str,
    *,
    kept: Sequence[Span] = (),
    is_cut_off: bool = False,
) -> tuple[TranslationWarning, ...]:
    """Warnings of one sentence's translation, with spans that count from the beginning of either.

    kept:       spans of the source that must stand in the translation as they are, such as addresses.
    is_cut_off: whether the translation ends at its greatest length.
    """
    missing, extra = differing_figures(source, target, source_language, target_language)
    loop = find_loop(source, target)
    is_copy = source_language != target_language and is_untranslated(source, target, source_language)
    is_foreign = not is_copy and is_in_wrong_language(source, target, source_language, target_language)
    length, wanted = _length(target), _length(source)
    is_short = length < MIN_SHARE * wanted - SLACK
    is_long = length > MAX_SHARE * wanted + MORE_SLACK
    unknown = None if target.isascii() else _find_unknown(source, target)
    if not (missing or extra or loop or is_copy or is_foreign or is_short or is_long or is_cut_off or unknown or kept):
        return ()
    all_source, all_target = (0, len(source)), (0, len(target))
    found = [TranslationWarning("span_lost", span, all_target) for span in kept if source[slice(*span)] not in target]
    found += [TranslationWarning("figure_differs", span, all_target) for span in missing if not _is_within(span, kept)]
    if not missing:
        found += [TranslationWarning("figure_differs", all_source, span) for span in extra]
    if loop is not None:
        found.append(TranslationWarning("repeats", all_source, loop))
    if unknown is not None:
        found.append(TranslationWarning("unknown_characters", all_source, unknown.span()))
    of_sentence: tuple[tuple[WarningKind, bool], ...] = (
        ("untranslated", is_copy),
        ("wrong_language", is_foreign),
        ("much_shorter", is_short),
        ("much_longer", is_long),
        ("cut_off", is_cut_off),
    )
    found += [TranslationWarning(kind, all_source, all_target) for kind, is_found in of_sentence if is_found]
    return tuple(found)


def _find_unknown(source: str, target: str) -> re.Match[str] | None:
    """The first sign of the target that stands for what the model could not read or write."""
    unknown = None if _UNKNOWN.search(source) else _UNKNOWN.search(target)
    return unknown or next((match for match in _PICTURE.finditer(target) if match[0] not in source), None)


def _is_within(span: Span, others: Sequence[Span]) -> bool:
    return any(begin <= span[0] < end for begin, end in others)


MIN_SHARE, SLACK = 0.42, 5.0
MAX_SHARE, MORE_SLACK = 2.4, 15.0
"""Bounds of a translation's length, in letters: a share of the source's, and what short sentences may deviate."""


def _length(text: str) -> int:
    """Letters of an alphabet that a text would have."""
    return len(text) if text.isascii() else len(text) + 2 * len(_WIDE.findall(text))

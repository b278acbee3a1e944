"""The checks of one sentence and its translation."""

import re
from collections.abc import Sequence

from dragoman.translation.alignment import Span
from dragoman.translation.checks.figures import differing_figures
from dragoman.translation.checks.repeats import find_loop
from dragoman.translation.checks.words import is_in_wrong_language, is_untranslated
from dragoman.translation.results import TranslationWarning, WarningKind

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Letters of which one stands for about three of an alphabet."""

_UNKNOWN = re.compile("[\ufffd\u2047]")
"""Stand for what a vocabulary cannot spell."""


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
    all_source, all_target = (0, len(source)), (0, len(target))
    found: list[TranslationWarning] = []

    def warn(kind: WarningKind, of_source: Span = all_source, of_target: Span = all_target) -> None:
        found.append(TranslationWarning(kind, of_source, of_target))

    for begin, end in kept:
        if source[begin:end] not in target:
            warn("span_lost", (begin, end))
    missing, extra = differing_figures(source, target, source_language, target_language)
    for span in missing:
        if not any(begin <= span[0] < end for begin, end in kept):
            warn("figure_differs", span)
    for span in () if missing else extra:
        warn("figure_differs", all_source, span)
    loop = find_loop(source, target)
    if loop is not None:
        warn("repeats", all_source, loop)
    if source_language != target_language and is_untranslated(source, target, source_language):
        warn("untranslated")
    elif is_in_wrong_language(source, target, source_language, target_language):
        warn("wrong_language")
    length, wanted = _length(target), _length(source)
    if length < MIN_SHARE * wanted - SLACK:
        warn("much_shorter")
    elif length > MAX_SHARE * wanted + MORE_SLACK:
        warn("much_longer")
    if is_cut_off:
        warn("cut_off")
    if not target.isascii() and (unknown := _UNKNOWN.search(target)) and not _UNKNOWN.search(source):
        warn("unknown_characters", all_source, unknown.span())
    return tuple(found)


MIN_SHARE, SLACK = 0.42, 5.0
MAX_SHARE, MORE_SLACK = 2.4, 15.0
"""Bounds of a translation's length, in letters: a share of the source's, and what short sentences may deviate."""


def _length(text: str) -> int:
    """Letters of an alphabet that a text would have."""
    return len(text) if text.isascii() else len(text) + 2 * len(_WIDE.findall(text))

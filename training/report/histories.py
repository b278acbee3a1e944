"""Changes in the translations of the same dev sentences from validation to validation."""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

from dragoman.training.evaluation.dev_translations import DevTranslation

MAX_VERSIONS = 12
"""Versions of a sentence shown, the newest ones: the first ones of a long training are nonsense."""

Change = Literal["same", "new", "gone"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a translation, and its relation to the version before."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Version:
    """A translation that one or several validations in a row gave.

    updates: such as "600", "600 to 1,800", or "mean of 5 checkpoints".
    """

    updates: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A dev sentence and its versions, newest first. num_left_out: number of older versions left out."""

    label: str
    direction: str
    sentence: int
    source: str
    reference: str
    versions: tuple[Version, ...]
    num_left_out: int


def tell_histories(samples: Sequence[DevTranslation], best: Sequence[DevTranslation] = ()) -> list[History]:
    """One for each sentence of each dev set and direction, in their order.

    best: the translations of the bundle. A mean of checkpoints that has made other ones was not kept: it is named so,
    and never the newest.
    """
    kept = {translation.averaged for translation in best}
    by_sentence: dict[tuple[str, int], list[DevTranslation]] = {}
    for sample in samples:
        by_sentence.setdefault((sample.label, sample.sentence), []).append(sample)
    return [_tell_history(translations, kept) for translations in by_sentence.values()]


def _tell_history(translations: Sequence[DevTranslation], kept: Set[tuple[int, ...]]) -> History:
    def is_kept(translation: DevTranslation) -> bool:
        return not translation.averaged or not kept or translation.averaged in kept

    ordered = sorted(translations, key=lambda translation: (translation.update, is_kept(translation)))
    runs = [list(group) for _, group in groupby(ordered, key=lambda translation: translation.hypothesis)]
    versions = [
        Version(
            _name_updates(run, is_kept),
            mark_changes(runs[number - 1][0].hypothesis, run[0].hypothesis)
            if number
            else (Span("same", run[0].hypothesis),),
        )
        for number, run in enumerate(runs)
    ]
    newest = translations[-1]
    return History(
        label=newest.label,
        direction=newest.direction,
        sentence=newest.sentence,
        source=newest.source,
        reference=newest.reference,
        versions=tuple(reversed(versions[-MAX_VERSIONS:])),
        num_left_out=max(0, len(versions) - MAX_VERSIONS),
    )


def _name_updates(translations: Sequence[DevTranslation], is_kept: Callable[[DevTranslation], bool]) -> str:
    updates = [translation.update for translation in translations if not translation.averaged]
    names = []
    if updates:
        names.append(f"{updates[0]:,}" if updates[0] == updates[-1] else f"{updates[0]:,} to {updates[-1]:,}")
    names += [
        f"mean of {len(each.averaged)} checkpoints" + ("" if is_kept(each) else ", not kept")
        for each in translations
        if each.averaged
    ]
    return ", ".join(names)


def mark_changes(before: str, now: str) -> tuple[Span, ...]:
    """The words of `now`, with those that `before` lacked marked as new, and words deleted without replacement marked
    as gone. The text of all spans except the gone ones is `now`."""
    old, new = _words(before), _words(now)
    spans: list[Span] = []
    matcher = SequenceMatcher(None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False)
    for kind, old_first, old_last, new_first, new_last in matcher.get_opcodes():
        if kind == "equal":
            spans.append(Span("same", "".join(new[new_first:new_last])))
        elif kind == "delete":
            gone = "".join(old[old_first:old_last])
            apart = "" if not spans or spans[-1].text[-1:].isspace() else old[old_first - 1][-1:]
            spans.append(Span("gone", apart + gone if apart.isspace() else gone))
        else:
            spans.append(Span("new", "".join(new[new_first:new_last])))
    return tuple(spans)


def _words(text: str) -> list[str]:
    """Words, punctuation and single characters of scripts without spaces, each with the white space after it."""
    return re.findall(r"\s+$|\s*[\u3040-\u30ff\u4e00-\u9fff]\s*|\s*[\w'’-]+\s*|\s*[^\w\s]\s*", text) if text else []

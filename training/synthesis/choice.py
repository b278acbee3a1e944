"""Choosing the hypotheses that become training pairs: filters with their reasons, and the choice among the rest."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dragoman.training.evaluation.metrics import SentenceBleu

Keep = Literal["best", "all", "random", "nearest"]

Reason = Literal["blank", "copied", "cut_off", "unlikely", "out_of_ratio", "repeated"]

REASONS: dict[Reason, str] = {
    "blank": "blank",
    "copied": "copied from the input",
    "cut_off": "without an end, cut off",
    "unlikely": "below the least score",
    "out_of_ratio": "too long or too short for the input",
    "repeated": "the same as a better one",
}
"""Reasons to drop a hypothesis; if several apply, the first counts."""

RATIO_GRACE = 20
"""Characters by which the sides may differ whatever their ratio: "OK." and "In Ordnung."."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hypothesis that may become a training pair.

    score:      length-normalized log probability.
    is_cut_off: whether it reached the greatest length without ending: nearly always a loop.
    """

    text: str
    score: float
    is_cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Filters for hypotheses that are unfit for training.

    min_score:    least score, at most 0, the best possible; None takes any.
    max_ratio:    greatest ratio of the sides' lengths in characters, at least 1, if they differ by more than
                  RATIO_GRACE; None takes any.
    allow_copies: keep hypotheses that equal the input, apart from case and white space.
    """

    min_score: float | None = None
    max_ratio: float | None = None
    allow_copies: bool = False

    def apply(self, source: str, candidates: Sequence[Candidate]) -> tuple[list[Candidate], Counter[Reason]]:
        """The candidates that pass, in order, and the number rejected for each reason."""
        passed: list[Candidate] = []
        left_out: Counter[Reason] = Counter()
        seen: set[str] = set()
        for candidate in candidates:
            reason = self._reason_against(source, candidate)
            if reason is None and candidate.text in seen:
                reason = "repeated"
            if reason is None:
                passed.append(candidate)
                seen.add(candidate.text)
            else:
                left_out[reason] += 1
        return passed, left_out

    def _reason_against(self, source: str, candidate: Candidate) -> Reason | None:
        if not candidate.text.strip():
            return "blank"
        if not self.allow_copies and _folded(candidate.text) == _folded(source):
            return "copied"
        if candidate.is_cut_off:
            return "cut_off"
        if self.min_score is not None and candidate.score < self.min_score:
            return "unlikely"
        if self.max_ratio is not None and _differs_in_length(source, candidate.text, self.max_ratio):
            return "out_of_ratio"
        return None


class Chooser:
    """Keeps one of a text's candidates, or all of them."""

    def __init__(self, keep: Keep, *, seed: int = 0, tokenize: str = "13a") -> None:
        """keep: "best"; "all"; "random": one, with equal probabilities; "nearest": the one with the greatest sentence
        BLEU against the reference, the better one of equals (Kim & Rush 2016, section 3.3).
        seed: for "random". tokenize: sacreBLEU's tokenizer, for "nearest".

        Raises InvalidInputError for a tokenizer that sacreBLEU does not know or cannot load.
        """
        self.keep = keep
        self.tokenize = tokenize
        self._seed = seed
        self._sentence_bleu = SentenceBleu(tokenize)

    def choose(self, candidates: Sequence[Candidate], *, number: int, reference: str | None = None) -> list[Candidate]:
        """The kept candidates. candidates: best first, perhaps none. number: of the text. reference: for "nearest"."""
        if self.keep == "all" or not candidates:
            return list(candidates)
        if self.keep == "random":
            return [candidates[_draw(self._seed, number, len(candidates))]]
        if self.keep == "nearest" and len(candidates) > 1:
            if reference is None:
                raise ValueError("which is nearest needs a reference")
            return [max(candidates, key=lambda candidate: self._sentence_bleu.score(candidate.text, reference))]
        return [candidates[0]]


def _draw(seed: int, number: int, num_choices: int) -> int:
    """A number below num_choices. It depends on the arguments alone, so that a continued job draws the same numbers as
    an undisturbed one."""
    digest = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % num_choices


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _differs_in_length(source: str, target: str, max_ratio: float) -> bool:
    shorter, longer = sorted((len(source.strip()), len(target.strip())))
    return longer - shorter > RATIO_GRACE and longer > max_ratio * shorter

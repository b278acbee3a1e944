"""Of all that one or several systems find for a text, the hypothesis that agrees most with the rest: decoding for
minimum Bayes risk (Kumar and Byrne 2004). As it compares words, the systems may have different vocabularies, which an
ensemble cannot.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from model.errors import InvalidInputError
from model.lines import read_lines

Utility = Callable[[str, str], float]
"""How good a hypothesis is if another one is right; the more, the better."""


class FoundHypothesis(BaseModel):
    """text: a translation. score: length-normalized log probability."""

    text: str
    score: float = Field(allow_inf_nan=False)


class FoundTranslation(BaseModel):
    """A text and what a system found for it, as `dragoman translate --json` writes it."""

    source: str
    hypotheses: list[FoundHypothesis] = Field(min_length=1)


def read_systems(paths: Sequence[Path]) -> Iterator[list[FoundTranslation]]:
    """For each text what each system found, from one file of each system.

    Raises NotFoundError, and InvalidInputError, naming file and line, for what is no translation, for files of
    different length, and where the systems translated different texts.
    """
    for number, lines in enumerate(zip_longest(*map(read_lines, paths)), start=1):
        for path, line in zip(paths, lines, strict=True):
            if line is None:
                longer = next(other for other, text in zip(paths, lines, strict=True) if text is not None)
                raise InvalidInputError(f"{path} ends after {number - 1:,} lines, but {longer} has more")
        found = [_read_line(path, number, line) for path, line in zip(paths, lines, strict=True)]
        for path, translation in zip(paths, found, strict=True):
            if translation.source != found[0].source:
                raise InvalidInputError(f"line {number} of {path} translates another text than that of {paths[0]}")
        yield found


def hypothesis_probabilities(systems: Sequence[Sequence[FoundHypothesis]]) -> dict[str, float]:
    """How probable each text is in the systems' mean view, the sum being 1. A system's list is all that it holds for
    possible; its scores are taken for unnormalized log probabilities."""
    probabilities: defaultdict[str, float] = defaultdict(float)
    for hypotheses in systems:
        highest = max(hypothesis.score for hypothesis in hypotheses)
        weights = [math.exp(hypothesis.score - highest) for hypothesis in hypotheses]
        for hypothesis, weight in zip(hypotheses, weights, strict=True):
            probabilities[hypothesis.text] += weight / sum(weights) / len(systems)
    return dict(probabilities)


def choose_consensus(probabilities: Mapping[str, float], utility: Utility) -> str:
    """The text of the greatest expected utility; the first one of equals."""

    def expected_utility(text: str) -> float:
        return sum(probability * utility(text, other) for other, probability in probabilities.items())

    return max(probabilities, key=expected_utility)


def _read_line(path: Path, number: int, line: str) -> FoundTranslation:
    try:
        return FoundTranslation.model_validate_json(line)
    except ValidationError as error:
        raise InvalidInputError(
            f"line {number} of {path} is nothing that dragoman translate --json writes: {error.errors()[0]['msg']}"
        ) from error

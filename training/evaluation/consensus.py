"""Minimum Bayes risk decoding: of all hypotheses of one or several systems for a text, the one that agrees most with
the others (Kumar and Byrne 2004). It compares words, so unlike an ensemble's, the systems' vocabularies may differ.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from dragoman.model.config_files import describe_validation_error
from dragoman.model.errors import InvalidInputError
from dragoman.translation.batch.lines import read_lines

Utility = Callable[[str, str], float]
"""The quality of a hypothesis if another one is right; higher is better."""


class FoundHypothesis(BaseModel):
    """text: a translation. score: length-normalized log probability."""

    text: str
    score: float = Field(allow_inf_nan=False)


class FoundTranslation(BaseModel):
    """A text and a system's hypotheses for it, as `dragoman translate --json` writes them."""

    source: str
    hypotheses: list[FoundHypothesis] = Field(min_length=1)

    @property
    def is_translated(self) -> bool:
        """Whether the system translated the text; otherwise its hypothesis is the source, with a score of 0."""
        return any(hypothesis.score != 0 or hypothesis.text != self.source for hypothesis in self.hypotheses)


def read_systems(paths: Sequence[Path]) -> Iterator[list[FoundTranslation]]:
    """Every text's translations by all systems, from one file of each system.

    Raises NotFoundError, and InvalidInputError, naming file and line, for a line that is not a translation, for files
    of different length, and for systems that translated different texts.
    """
    for number, lines in enumerate(zip_longest(*map(read_lines, paths)), start=1):
        for path, line in zip(paths, lines, strict=True):
            if line is None:
                longer = next(other for other, text in zip(paths, lines, strict=True) if text is not None)
                raise InvalidInputError(f"{path} ends after {number - 1:,} lines, but {longer} has more")
        found = [_read_line(path, number, line) for path, line in zip(paths, lines, strict=True)]
        for path, translation in zip(paths, found, strict=True):
            if translation.source != found[0].source:
                raise InvalidInputError(f"{path}, line {number}: translates another text than {paths[0]} does there")
        yield found


def hypothesis_weights(found: Sequence[FoundTranslation]) -> dict[str, float]:
    """The weight of each hypothesis text, with the sum 1: the softmax of the scores in each system's list. All systems
    that translated the text have the same total weight.

    With length penalty 0 the scores are log probabilities and the weights proportional to probabilities; any other
    penalty makes the weights of a list more even, the longer the text, the more so.
    """
    systems = [translation.hypotheses for translation in found if translation.is_translated]
    systems = systems or [translation.hypotheses for translation in found]
    total: defaultdict[str, float] = defaultdict(float)
    for hypotheses in systems:
        highest = max(hypothesis.score for hypothesis in hypotheses)
        weights = [math.exp(hypothesis.score - highest) for hypothesis in hypotheses]
        for hypothesis, weight in zip(hypotheses, weights, strict=True):
            total[hypothesis.text] += weight / sum(weights) / len(systems)
    return dict(total)


def choose_consensus(weights: Mapping[str, float], utility: Utility) -> str:
    """The text with the greatest weighted mean utility against all texts, itself included; the first of equals."""

    def expected_utility(text: str) -> float:
        return sum(weight * utility(text, other) for other, weight in weights.items())

    return max(weights, key=expected_utility)


def is_lopsided(found: Sequence[FoundTranslation]) -> bool:
    """Whether several systems translated the text and one of them has a single hypothesis, which weighs as much as the
    whole list of another."""
    sizes = [len(translation.hypotheses) for translation in found if translation.is_translated]
    return len(sizes) > 1 and min(sizes) == 1


def _read_line(path: Path, number: int, line: str) -> FoundTranslation:
    try:
        return FoundTranslation.model_validate_json(line)
    except ValidationError as error:
        reason = describe_validation_error(error)
        raise InvalidInputError(
            f"{path}, line {number}: is nothing that dragoman translate --json writes: {reason}"
        ) from error

"""What the server must answer, computed beforehand by the bare engine: translations do not depend on their batch-mates,
so every answer can be checked to the letter."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from dragoman.model.files import write_atomically

SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "greedy": {"beam_size": 1},
    "several": {"n_best": 3},
    "once": {"max_retries": 0},
}
"""Search options by name; what is left out is the server's default, which is the engine's."""

LIVE_SEARCH = "once"
"""That of live translations: a sentence that was shown is not searched again, unlike those of other calls."""

SCORE_TOLERANCE = 1e-6
"""Relative; the contract promises all but the rounding of the last digits."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A text, how it is translated, and the hypotheses that it must get, best first.

    search: one of SEARCHES.
    """

    text: str
    source_language: str
    target_language: str
    search: str
    hypotheses: tuple[str, ...]
    scores: tuple[float, ...]

    def fits(self, texts: Iterable[str], scores: Iterable[float]) -> bool:
        """Whether these are its hypotheses."""
        scores = tuple(scores)
        return (
            tuple(texts) == self.hypotheses
            and len(scores) == len(self.scores)
            and all(map(same_score, self.scores, scores))
        )


@dataclass(frozen=True, slots=True)
class ExpectedScore:
    """A translation to score and the score it must get."""

    source: str
    target: str
    source_language: str
    target_language: str
    score: float


@dataclass(frozen=True, slots=True)
class Reference:
    """translations: grouped by (source_language, target_language, search), in which calls are made. revision: of the
    weights. languages: the language that detection must find for a text."""

    revision: str
    translations: dict[tuple[str, str, str], list[Expected]]
    scores: list[ExpectedScore]
    languages: dict[str, str]

    @classmethod
    def of(
        cls, revision: str, expected: Iterable[Expected], scores: list[ExpectedScore], languages: dict[str, str]
    ) -> Self:
        groups: dict[tuple[str, str, str], list[Expected]] = {}
        for item in expected:
            groups.setdefault((item.source_language, item.target_language, item.search), []).append(item)
        return cls(revision, groups, scores, languages)

    def write(self, path: Path) -> None:
        tree = {
            "revision": self.revision,
            "translations": [asdict(item) for group in self.translations.values() for item in group],
            "scores": [asdict(item) for item in self.scores],
            "languages": self.languages,
        }
        write_atomically(path, json.dumps(tree, ensure_ascii=False))

    @classmethod
    def read(cls, path: Path) -> Self:
        tree = json.loads(path.read_text(encoding="utf-8"))
        expected = [
            Expected(**{**item, "hypotheses": tuple(item["hypotheses"]), "scores": tuple(item["scores"])})
            for item in tree["translations"]
        ]
        return cls.of(tree["revision"], expected, [ExpectedScore(**item) for item in tree["scores"]], tree["languages"])


def same_score(one: float, other: float) -> bool:
    """But for the rounding of the last digits."""
    return math.isclose(one, other, rel_tol=SCORE_TOLERANCE, abs_tol=SCORE_TOLERANCE)

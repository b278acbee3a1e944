"""Measures the checks of translations on parallel text, and fits the weights of the quality.

    python -m tests.benchmarks.checks --from en --to de SOURCES REFERENCES [--model BUNDLE] [--fit]

Prints how many references have warnings, which are false alarms; the warnings of the model's translations; and the
correlation of quality and score with sentence chrF. Several pairs of files may be given; --fit uses all their lines.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.chrf import CHRF

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.checks.quality import features
from dragoman.translation.checks.sentence import check_sentence
from dragoman.translation.results import Translation
from dragoman.translation.translator import Translator

RIDGE = 1e-3
NUM_STEPS = 40

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """By sentence: the features of its translation, the qualities and scores, and chrF from 0 to 1."""

    features: Array
    quality: Array
    score: Array
    chrf: Array


def main() -> None:
    arguments = _parse()
    translator = Translator.load(arguments.model)
    found: list[Measured] = []
    for sources, references in zip(arguments.files[::2], arguments.files[1::2], strict=True):
        pairs = list(zip(_lines(sources), _lines(references), strict=True))
        for source, target, some in (
            (arguments.source_language, arguments.to, pairs),
            (arguments.to, arguments.source_language, [(target, source) for source, target in pairs]),
        ):
            print(f"{sources.name}, {source} to {target}, {len(some)} pairs")
            found.append(measure(translator, source, target, some))
    if arguments.fit:
        every = np.concatenate([one.features for one in found]), np.concatenate([one.chrf for one in found])
        print("weights:", ", ".join(f"{weight:.3f}" for weight in fit(*every)))


def measure(translator: Translator, source: str, target: str, pairs: Sequence[tuple[str, str]]) -> Measured:
    alarms = [check_sentence(text, reference, source, target) for text, reference in pairs]
    print(f"  references with warnings: {_count(alarms)}")
    direction = translator.find_direction(source, target)
    options = SearchOptions(return_attention=False)
    translations = list(translator.stream([text for text, _ in pairs], direction, options, split_sentences=False))
    print(f"  translations with warnings: {_count([one.warnings for one in translations])}")
    chrf = CHRF()
    values = [
        chrf.sentence_score(one.text, [reference]).score / 100
        for one, (_, reference) in zip(translations, pairs, strict=True)
    ]
    num_frame = translator.vocabulary.frame(direction).num_source
    known = [place for place, one in enumerate(translations) if one.hypotheses[0].token_log_probs]
    measured = Measured(
        np.array([_features(translations[place], num_frame, source, target) for place in known]),
        np.array([translations[place].quality for place in known]),
        np.array([translations[place].score for place in known]),
        np.array([values[place] for place in known]),
    )
    for name, estimate in (("quality", measured.quality), ("score", measured.score)):
        spearman, pearson = correlation(_ranks(estimate), _ranks(measured.chrf)), correlation(estimate, measured.chrf)
        print(f"  {name}: Spearman {spearman:.3f}, Pearson {pearson:.3f} with sentence chrF")
    return measured


def fit(inputs: Array, wanted: Array) -> Array:
    """The weights of a logistic regression with a small ridge, by Newton's method."""
    weights = np.zeros(inputs.shape[1])
    ridge = RIDGE * len(wanted) * np.eye(len(weights))
    ridge[0, 0] = 0
    for _ in range(NUM_STEPS):
        predicted = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (wanted - predicted) - ridge @ weights
        curvature = (inputs * (predicted * (1 - predicted))[:, None]).T @ inputs + ridge
        weights = weights + np.linalg.solve(curvature, gradient)
    return weights


def correlation(one: Array, other: Array) -> float:
    """Pearson's."""
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: Array) -> Array:
    """Equal values have the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Array = ends - (counts - 1) / 2
    return means[inverse]


def _features(translation: Translation, num_frame: int, source: str, target: str) -> tuple[float, ...]:
    best = translation.hypotheses[0]
    num_source_pieces = len(translation.source_pieces) - num_frame
    return features(translation.source, best.text, best.token_log_probs, num_source_pieces, source, target)


def _count(warnings: Iterable[Sequence[object]]) -> str:
    found = [one for one in warnings if one]
    kinds = Counter(getattr(warning, "kind", "") for one in found for warning in one)
    return f"{len(found)} {dict(kinds)}"


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source_language", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--model", default="en-de")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("files", nargs="+", type=Path, metavar="SOURCES REFERENCES")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Terms: how many appear, BLEU and speed beside the same search without them.

The terms are words of devtest's references: a noun (into German) or a rarer word (into English) whose counterpart in
the source is known from a word alignment by IBM Model 1.
"""

import gzip
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sacrebleu

from dragoman.model.config import VocabularyShape
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.learning.translation_table import learn_translation_table
from tests.benchmarks.bench import Bench
from tests.benchmarks.measuring import Measurement, alternate

NUM_PAIRS = 30_000
"""Pairs of the training corpus from which the alignment is learnt."""

NUM_ITERATIONS = 3
NUM_SENTENCES = 600
"""Sentences with a term that are translated, at most, into each language."""

LEAST_PROBABILITY = 0.1
MOST_FREQUENT = 0.004
"""Share of sentences with a word above which it is no term."""

NUM_IDLE_TERMS = 1000
"""Terms of the glossary of which none occurs."""

_WORD = re.compile(r"[^\W_]+")

Drawn = list[tuple[str, str] | None]
"""For each sentence a word of the source and its translation in the reference, or None."""


def run(bench: Bench) -> list[Measurement]:
    measurements = []
    bundle = bench.inputs.bundled
    with bench.dragoman(bundle, "bundled", num_threads=1) as side:
        for source, to in (("en", "de"), ("de", "en")):
            sources, references = _read(bench.inputs.data, source), _read(bench.inputs.data, to)
            drawn = draw_terms(bench.inputs.data, source, to, sources, references)
            chosen = [number for number, term in enumerate(drawn) if term is not None][:NUM_SENTENCES]
            texts, due = [sources[number] for number in chosen], [references[number] for number in chosen]
            terms = [drawn[number] for number in chosen]
            measurements += _measure(bench, side, to, texts, due, terms)
    return measurements


def _measure(
    bench: Bench, side: Any, to: str, texts: list[str], references: list[str], terms: Sequence[Any]
) -> list[Measurement]:
    outcomes: dict[str, dict[str, Any]] = {}

    def measure(name: str, **arguments: Any) -> float:
        outcomes[name] = side.call("translate_with_terms", texts=texts, to=to, **arguments)
        return len(texts) / float(outcomes[name]["cpu_seconds"])

    with_terms = alternate(bench.num_rounds, lambda: measure("terms", terms=terms), lambda: measure("none"))
    idle = alternate(bench.num_rounds, lambda: measure("idle", num_idle=NUM_IDLE_TERMS), lambda: measure("none"))
    bleu = {name: (sacrebleu.corpus_bleu(outcome["texts"], [references]).score,) for name, outcome in outcomes.items()}
    share = 100 * outcomes["terms"]["num_met"] / len(texts)
    unit = "sentences/CPU s"
    return [
        Measurement("terms", f"into {to}, one a sentence, {len(texts)} sentences", "% met", (share,), goal="≥ 98"),
        Measurement(
            "terms", f"into {to}, one a sentence", "BLEU", bleu["terms"], bleu["none"], other="without", goal="≥ 1"
        ),
        Measurement("terms", f"into {to}, one a sentence", unit, *with_terms, other="without", goal="≥ 0.7"),
        Measurement(
            "terms", f"into {to}, none of {NUM_IDLE_TERMS} occurs", unit, *idle, other="without", goal="≥ 0.95"
        ),
    ]


def draw_terms(data: Path, source: str, to: str, sources: Sequence[str], references: Sequence[str]) -> Drawn:
    """At most one term for each pair: the one that the alignment is surest of."""
    pairs = list(zip(_read_training(data, source), _read_training(data, to), strict=True))
    numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})
    encoded = [_encode(pair, numbers) for pair in (*pairs, *zip(sources, references, strict=True))]
    frequencies = tuple(Counter(word for pair in encoded for word in set(pair[side])) for side in (0, 1))
    table = _learn([pair for pair in encoded if all(pair)], numbers)
    limit = MOST_FREQUENT * len(encoded)

    def choose(text: str, reference: str) -> tuple[str, str] | None:
        found = []
        for place, word in enumerate(_WORD.findall(reference)):
            number = numbers[1][word.lower()]
            is_noun = word[0].isupper() and len(word) >= 4 if to == "de" else word[0].islower() and len(word) >= 5
            if not place or not is_noun or not word.isalpha() or frequencies[1][number] > limit:
                continue
            for candidate in _WORD.findall(text):
                other = numbers[0][candidate.lower()]
                if len(candidate) >= 4 and frequencies[0][other] <= 2 * limit:
                    found.append((table.get((other, number), 0.0), candidate, word))
        best = max(found, default=(0.0, "", ""))
        return best[1:] if best[0] >= LEAST_PROBABILITY else None

    return [choose(*pair) for pair in zip(sources, references, strict=True)]


def _encode(pair: tuple[str, str], numbers: tuple[dict[str, int], dict[str, int]]) -> tuple[list[int], list[int]]:
    """The words of both sides as numbers from 1."""
    first, second = (
        [known.setdefault(word.lower(), len(known) + 1) for word in _WORD.findall(text)]
        for text, known in zip(pair, numbers, strict=True)
    )
    return first, second


def _learn(
    pairs: Sequence[tuple[list[int], list[int]]], numbers: tuple[dict[str, int], dict[str, int]]
) -> dict[tuple[int, int], float]:
    """p(target | source) by numbers of words."""
    shape = VocabularyShape(source_size=len(numbers[0]) + 1, target_size=len(numbers[1]) + 1, joint=False)
    sources = EncodedSide.pack([[0, *source] for source, _ in pairs])  # with the empty word
    corpus = EncodedCorpus(sources, EncodedSide.pack([target for _, target in pairs]), SkippedPairs(), shape)
    table = learn_translation_table(corpus, NUM_ITERATIONS)
    likely = table.probabilities >= LEAST_PROBABILITY
    keys = zip(table.sources[likely].tolist(), table.targets[likely].tolist(), strict=True)
    return dict(zip(keys, table.probabilities[likely].tolist(), strict=True))


def _read(data: Path, language: str) -> list[str]:
    return (data / f"devtest.{language}").read_text(encoding="utf-8").splitlines()


def _read_training(data: Path, language: str) -> list[str]:
    with gzip.open(data / f"train.{language}.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in itertools.islice(lines, NUM_PAIRS)]

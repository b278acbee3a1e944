"""Throughput at the shape of an OPUS-MT model with random weights: the sentences of `base` with 58,000 pieces."""

from tests.benchmarks.base import compare
from tests.benchmarks.bench import Bench
from tests.benchmarks.inputs import OPUS_VOCAB_SIZE
from tests.benchmarks.measuring import Measurement


def run(bench: Bench) -> list[Measurement]:
    return compare("opus", bench, bench.inputs.opus, OPUS_VOCAB_SIZE)

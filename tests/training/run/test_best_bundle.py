"""The best network of a run is kept, whatever process of the run finds it."""

from pathlib import Path

import pytest

from dragoman.model.bundle import read_config
from dragoman.model.vocabulary import Vocabulary
from dragoman.training.run.best_bundle import BestBundle
from dragoman.training.run.progress import Progress
from tests.training.tiny import tiny_config, tiny_network

Values = dict[str, float]


@pytest.mark.parametrize("resumed", [False, True], ids=["in one process", "resumed each time"])
@pytest.mark.parametrize(
    ("measured", "kept"),
    [
        ([{"bleu": 0.3, "loss": 6.0}, {"bleu": 0.1, "loss": 5.0}, {"bleu": 0.2, "loss": 5.5}], [1, 2]),
        ([{"bleu": 0.0, "loss": 6.0}, {"bleu": 0.0, "loss": 6.0}, {"bleu": 1.5, "loss": 7.0}], [1, 3]),
        ([{"bleu": 2.0, "loss": 6.0}, {"bleu": 0.9, "loss": 1.0}, {"bleu": 2.1, "loss": 6.5}], [1, 3]),
        ([{"perplexity": 60.0, "loss": 6.0}, {"perplexity": 61.0, "loss": 5.0}, {"perplexity": 0.5}], [1, 3]),
    ],
    ids=["near 0", "from 1 on", "later", "perplexity"],
)
def test_a_better_network_replaces_the_one_before(
    tmp_path: Path, tiny_vocabulary: Vocabulary, measured: list[Values], kept: list[int], resumed: bool
) -> None:
    config = tiny_config(tmp_path)
    network = tiny_network(config)

    def begin() -> BestBundle:
        return BestBundle(config, tiny_vocabulary, network, num_pairs=1, checksums={}, start={})

    best = begin()
    found = []
    for update, values in enumerate(measured, 1):
        named = {f"{name} en→de" if name == "loss" else name: value for name, value in values.items()}
        best = begin() if resumed else best
        if best.offer(network, Progress(update=update), named, []):
            found.append(update)
    assert found == kept
    assert read_config(best.folder).provenance["updates"] == kept[-1]

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from dragoman.model.decoding.decoders.native.build import DECODING, find_library
from dragoman.v1 import translation_pb2_grpc
from tests.benchmarks.service.bare_side import BareSide
from tests.benchmarks.service.mixed_load import SHARES, MixedLoad
from tests.benchmarks.service.reference import Reference
from tests.benchmarks.service.tally import EXPECTED_ENDS
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), {"models": [{"bundle": str(tiny_bundle)}]}) as running:
        yield running


@pytest.fixture(scope="module")
def reference(tiny_bundle: Path, tiny_sentences: list[str], tmp_path_factory: pytest.TempPathFactory) -> Reference:
    side = BareSide()
    side.load(str(tiny_bundle))
    path = tmp_path_factory.mktemp("reference") / "reference.json"
    english, german = tiny_sentences[::2], tiny_sentences[1::2]
    side.write_reference({"en": [*english, " ".join(english)], "de": german}, str(path))
    return Reference.read(path)


def ends_of(server: ServerProcess, load: MixedLoad, kind: str, num_calls: int) -> set[str]:
    """How calls of a kind end."""

    async def run() -> set[str]:
        async with grpc.aio.insecure_channel(server.address) as channel, load.connected(server.address, 1):
            stub = translation_pb2_grpc.TranslationServiceStub(channel)
            draw = random.Random(1)
            return {(await load.outcome(kind, stub, draw))[0] for _ in range(num_calls)}

    return asyncio.run(run())


@pytest.mark.parametrize("kind", SHARES)
def test_calls_of_every_kind_end_as_they_should(server: ServerProcess, reference: Reference, kind: str) -> None:
    if kind in ("translate", "stream", "live", "score") and find_library(DECODING) is None:
        pytest.skip("without the compiled kernels, torch's rounding differs with the batch, and so may the answers")
    load = MixedLoad([reference], seed=1)
    assert ends_of(server, load, kind, 5) <= EXPECTED_ENDS
    assert load.tally.num_texts or kind not in ("translate", "stream", "live")


@pytest.mark.parametrize("kind", ["translate", "stream", "live"])
def test_a_wrong_translation_is_found(server: ServerProcess, reference: Reference, kind: str) -> None:
    wrong = {
        group: [replace(item, hypotheses=("something else",) * len(item.hypotheses)) for item in items]
        for group, items in reference.translations.items()
    }
    load = MixedLoad([replace(reference, translations=wrong)], seed=1)
    assert ends_of(server, load, kind, 2) == {"wrong"}


def test_a_wrong_score_or_language_is_found(server: ServerProcess, reference: Reference) -> None:
    wrong = replace(
        reference,
        scores=[replace(pair, score=pair.score - 0.01) for pair in reference.scores],
        languages=dict.fromkeys(reference.languages, "eo"),
    )
    load = MixedLoad([wrong], seed=1)
    assert ends_of(server, load, "score", 2) == {"wrong"}
    assert ends_of(server, load, "detect", 2) == {"wrong"}


def test_an_answer_of_unknown_weights_is_wrong(server: ServerProcess, reference: Reference) -> None:
    load = MixedLoad([replace(reference, revision="another")], seed=1)
    assert ends_of(server, load, "translate", 1) == {"wrong"}
    assert ends_of(server, load, "score", 1) == {"wrong"}

"""A sentence for which the network gives no numbers fails alone, whatever its search and its decoder."""

import dataclasses

import pytest
import torch

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.decoders.ensemble import EnsembleDecoder
from dragoman.model.decoding.decoders.native.decoder import is_available
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Finished, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.transformer import Transformer
from tests.model.decoding.decoders.native.networks import FORBIDDEN, make_decoder, make_network
from tests.pieces import EOS_ID

BROKEN_PIECE = 9
SOUND, BROKEN = (5, 6, 7, 3), (5, BROKEN_PIECE, 7, 3)

SEARCHES: dict[str, tuple[SearchOptions, dict[str, object]]] = {
    "beam": (SearchOptions(n_best=2), {}),
    "followed": (SearchOptions(), {"is_followed": True}),
    "attention": (SearchOptions(coverage_penalty=0.2, return_attention=True), {}),
    "n-grams": (SearchOptions(no_repeat_ngram_size=1, min_target_length=4), {}),
    "suppressed": (SearchOptions(), {"suppressed_ids": (7, 8)}),
    "prefix": (SearchOptions(), {"prefix_ids": (7, 8)}),
    "terms": (SearchOptions(n_best=2), {"terms": (((7, 8),), ((9,),))}),
    "sampling": (SearchOptions(n_best=3, sampling_temperature=1.0), {}),
    "top_p": (SearchOptions(n_best=3, sampling_temperature=1.0, sampling_top_p=0.9, sampling_top_k=9), {}),
}


def broken_network() -> Transformer:
    shape = VocabularyShape(source_size=75, target_size=75, joint=False)
    network = make_network(vocabulary=shape, tied_embeddings="none")
    with torch.no_grad():
        network.source_embedding.weight[BROKEN_PIECE, 3] = torch.inf  # and infinity less infinity is no number
    return network


NETWORK = broken_network()
KERNELS = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")


def torch_decoder() -> Decoder:
    return TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=3)


def decoder_of(kind: str) -> Decoder:
    if kind == "ensemble":
        return EnsembleDecoder([torch_decoder(), torch_decoder()])
    return torch_decoder() if kind == "torch" else make_decoder(NETWORK, kind)  # type: ignore[arg-type]


def run(decoder: Decoder, requests: list[Request]) -> dict[int, tuple[TokenHypothesis, ...]]:
    engine = Engine(decoder)
    engine.admit(requests)
    found: dict[int, tuple[TokenHypothesis, ...]] = {}
    while engine.num_active:
        found |= {event.id: event.hypotheses for event in engine.step() if isinstance(event, Finished)}
    return found


@pytest.mark.parametrize(
    "kind", ["torch", "ensemble", pytest.param("float32", marks=KERNELS), pytest.param("int8", marks=KERNELS)]
)
@pytest.mark.parametrize("search", SEARCHES)
def test_it_fails_alone(kind: str, search: str, caplog: pytest.LogCaptureFixture) -> None:
    options, fields = SEARCHES[search]
    before, broken, after = (
        Request(number, source, options, 12, **fields)  # type: ignore[arg-type]
        for number, source in enumerate((SOUND, BROKEN, (6, *SOUND)))
    )
    found = run(decoder_of(kind), [before, broken, after])
    assert found[1] == ()
    assert caplog.messages == ["request 1: no translation is possible"]
    due = run(decoder_of(kind), [before, dataclasses.replace(broken, source_ids=SOUND), after])
    for number in (0, 2):
        assert [one.token_ids for one in found[number]] == [one.token_ids for one in due[number]]
        assert [one.score for one in found[number]] == pytest.approx([one.score for one in due[number]], abs=1e-5)


@pytest.mark.parametrize("kind", ["torch", "ensemble", pytest.param("float32", marks=KERNELS)])
def test_a_given_translation_has_no_score(kind: str) -> None:
    given = (7, 8, EOS_ID)
    requests = [Request(number, source, SearchOptions(), 3, given) for number, source in enumerate((SOUND, BROKEN))]
    found = run(decoder_of(kind), requests)
    assert len(found[0]) == 1
    assert found[1] == ()

"""The variants of other toolkits in the engine: the oracle's hypotheses, and the same bits in any company."""

import copy

import pytest

from dragoman.model.decoding.decoders.native.decoder import Precision, is_available
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from tests.model.decoding.decoders.native.networks import FORBIDDEN, PRECISIONS, make_decoder, make_network
from tests.model.decoding.decoders.native.test_engine import assert_same, expected
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import run_with_arrivals
from tests.model.network.variants import VARIANTS

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

COMBINED = ("Marian", "Firefox", "M2M100", "mBART", "SSRU, pre-norm")


def make_requests() -> list[Request]:
    options = SearchOptions(beam_size=4, n_best=4)
    return [Request(index, tuple(range(6, 10 + 9 * index)), options, 40) for index in range(4)]


@pytest.mark.parametrize("name", COMBINED)
@pytest.mark.parametrize("is_native", [True, False])
def test_equals_the_oracle(name: str, is_native: bool) -> None:
    network = make_network(seed=3, **VARIANTS[name])  # type: ignore[arg-type]
    twin = copy.deepcopy(network).double()
    decoder = make_decoder(network, max_slots=3) if is_native else TorchDecoder(twin, forbidden_ids=FORBIDDEN)
    requests = make_requests()
    results = run_with_arrivals(Engine(decoder), requests, 1)
    for request in requests:
        assert_same(results[request.id], expected(network, request))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", COMBINED)
def test_batch_mates_change_no_bit(name: str, precision: Precision) -> None:
    network = make_network(seed=3, **VARIANTS[name])  # type: ignore[arg-type]
    requests = make_requests()
    together = run_with_arrivals(Engine(make_decoder(network, precision, max_slots=3)), requests, 2)
    for request in requests:
        alone = run(Engine(make_decoder(network, precision, max_slots=1)), [request])
        assert alone[request.id].hypotheses == together[request.id]

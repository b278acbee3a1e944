"""The engine on the kernels in float32 against the oracle in float64, with all search options mixed in one batch."""

import copy
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.decoders.native.decoder import is_available
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.transformer import Transformer
from tests.model.decoding.decoders.native.networks import FORBIDDEN, make_decoder, make_network
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import JOINED, run_with_arrivals
from tests.model.decoding.engines.test_engine_options import number, possible_ids, requests_with_options
from tests.reference_beam import reference_search

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

NETWORK = make_network(seed=1, max_source_length=20, max_target_length=24)


def expected(network: Transformer, request: Request) -> list[TokenHypothesis]:
    return reference_search(
        copy.deepcopy(network).double(),
        request.source_ids,
        request.options,
        request.max_target_length,
        FORBIDDEN,
        prefix_ids=request.prefix_ids,
        suppressed_ids=request.suppressed_ids,
        allowed_ids=possible_ids(request),
        terms=request.terms,
        joined_ids=JOINED,
    )


def assert_same(found: tuple[TokenHypothesis, ...], due: list[TokenHypothesis]) -> None:
    assert [hypothesis.token_ids for hypothesis in found] == [hypothesis.token_ids for hypothesis in due]
    for one, other in zip(found, due, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.token_log_probs == pytest.approx(other.token_log_probs, abs=1e-4)
        if other.attention is None:
            assert one.attention is None
        else:
            assert one.attention is not None
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


# Always the same examples: among ever new ones, two hypotheses would some day differ by less than float32 can tell.
@given(st.lists(requests_with_options(), min_size=1, max_size=8), st.integers(1, 5), st.integers())
@settings(deadline=None, max_examples=15, derandomize=True)
def test_equals_the_oracle_with_any_batch_mates_and_arrivals(
    drawn: list[Request], max_slots: int, random_seed: int
) -> None:
    requests = number(drawn)
    engine = Engine(make_decoder(NETWORK, max_slots=max_slots), joined_ids=JOINED)
    results = run_with_arrivals(engine, requests, random_seed)
    assert engine.free_slots == max_slots
    for request in requests:
        assert_same(results[request.id], expected(NETWORK, request))


def test_batch_mates_with_terms_change_no_bit() -> None:
    plain = [Request(index, tuple(range(6 + index, 16)), SearchOptions(n_best=4), 20) for index in range(4)]
    terms = (((20, 21, 22),), ((27,), (28, 29)))
    bound = [dataclasses.replace(request, id=request.id + 10, terms=terms) for request in plain]
    alone = run(Engine(make_decoder(NETWORK, max_slots=4)), plain)
    together = run(Engine(make_decoder(NETWORK, max_slots=8)), [*plain, *bound])
    assert {number: together[number].hypotheses for number in alone} == {
        number: finished.hypotheses for number, finished in alone.items()
    }


@pytest.mark.parametrize("normalization", ["pre", "post"])
@pytest.mark.parametrize("tied_embeddings", ["all", "target", "none"])
def test_equals_the_oracle_for_every_kind_of_network(normalization: str, tied_embeddings: str) -> None:
    network = make_network(seed=3, normalization=normalization, tied_embeddings=tied_embeddings)
    options = SearchOptions(beam_size=4, n_best=4)
    requests = [Request(index, tuple(range(6, 10 + 9 * index)), options, 40) for index in range(4)]
    results = run_with_arrivals(Engine(make_decoder(network, max_slots=3)), requests, 1)
    for request in requests:
        assert_same(results[request.id], expected(network, request))

"""Ensembles against the naive one, which averages the networks' probabilities piece by piece."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Admission, Floats, Ints, Rows
from dragoman.model.decoding.decoders.ensemble import EnsembleDecoder
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.transformer import Transformer
from tests.model.decoding.engines.engines import finished_by_step
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK, run_with_arrivals, tiny_network
from tests.model.decoding.engines.test_engine_options import assert_same, number, possible_ids, requests_with_options
from tests.reference_beam import reference_search

NETWORKS = (NETWORK, tiny_network(seed=1, num_decoder_layers=1), tiny_network(seed=2, normalization="post", d_ff=8))


def make_ensemble(networks: Sequence[Transformer], max_slots: int) -> EnsembleDecoder:
    return EnsembleDecoder(
        [TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=max_slots) for network in networks]
    )


def expected(networks: Sequence[Transformer], request: Request) -> list[TokenHypothesis]:
    return reference_search(
        networks,
        request.source_ids,
        request.options,
        request.max_target_length,
        FORBIDDEN,
        prefix_ids=request.prefix_ids,
        suppressed_ids=request.suppressed_ids,
        allowed_ids=possible_ids(request),
        terms=request.terms,
    )


@pytest.mark.parametrize("num_networks", [1, 2, 3])
@given(drawn=st.lists(requests_with_options(), min_size=1, max_size=4), random_seed=st.integers())
@settings(deadline=None, max_examples=10)
def test_equals_the_naive_ensemble(num_networks: int, drawn: list[Request], random_seed: int) -> None:
    networks = NETWORKS[:num_networks]
    requests = number(drawn)
    results = run_with_arrivals(Engine(make_ensemble(networks, 3)), requests, random_seed)
    for request in requests:
        assert_same(results[request.id], expected(networks, request))


def test_differs_from_each_of_its_models() -> None:
    request = Request(0, tuple(range(6, 16)), SearchOptions(), 20)
    single = [expected([network], request)[0].token_ids for network in NETWORKS]
    assert expected(NETWORKS, request)[0].token_ids not in single


def test_its_limits_are_the_least() -> None:
    short = tiny_network(seed=4, max_source_length=10, max_target_length=30)
    ensemble = EnsembleDecoder([TorchDecoder(NETWORK, max_slots=3), TorchDecoder(short, max_slots=5)])
    assert (ensemble.max_slots, ensemble.vocabulary.target_size) == (3, 40)
    assert (ensemble.max_source_length, ensemble.max_target_length) == (10, 24)


class FailingDecoder(TorchDecoder):
    """Has no memory left."""

    def admit(self, admissions: Sequence[Admission]) -> None:
        raise MemoryError


def test_if_one_cannot_admit_all_slots_stay_free() -> None:
    first = TorchDecoder(NETWORK, max_slots=2)
    engine = Engine(EnsembleDecoder([first, FailingDecoder(NETWORK, max_slots=2)]))
    with pytest.raises(MemoryError):
        engine.admit([Request(0, (6, 7), SearchOptions(), 10)])
    assert first.num_cached_positions == engine.num_active == 0
    assert engine.free_slots == 2


def test_refuses_what_makes_no_ensemble() -> None:
    with pytest.raises(InvalidInputError, match="an ensemble needs at least one model"):
        EnsembleDecoder([])
    with pytest.raises(InvalidInputError, match="of one vocabulary, but these have 40 and 50 pieces"):
        EnsembleDecoder([TorchDecoder(NETWORK), OtherVocabulary(NETWORK)])


class OtherVocabulary(TorchDecoder):
    @property
    def vocabulary(self) -> VocabularyShape:
        return VocabularyShape(source_size=50, target_size=50, joint=True)


class AlmostImpossible(TorchDecoder):
    """To which piece 20 is less likely than any float32."""

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        found = super().log_probs(rows, which).astype(np.float32)
        found[:, 20] = -300.0
        return found


def test_a_forced_piece_too_unlikely_for_a_float_costs_what_it_should() -> None:
    engine = Engine(EnsembleDecoder([AlmostImpossible(NETWORK), AlmostImpossible(NETWORK)]))
    engine.admit([Request(0, (6, 7), SearchOptions(), 2, prefix_ids=(20,))])
    assert engine.step() == []
    (finished,) = finished_by_step(engine)
    assert finished.hypotheses[0].token_log_probs[0] == pytest.approx(-300.0)


class Broken(TorchDecoder):
    """Knows no probabilities."""

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        return np.full_like(super().log_probs(rows, which), np.nan)


def test_of_a_model_that_breaks_nothing_is_found() -> None:
    engine = Engine(EnsembleDecoder([TorchDecoder(NETWORK), Broken(NETWORK)]))
    engine.admit([Request(0, (6, 7), SearchOptions(), 10)])
    (finished,) = finished_by_step(engine)
    assert finished.hypotheses == ()

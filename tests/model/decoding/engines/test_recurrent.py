"""The engine with recurrent networks against the oracle: whatever the batch-mates and the order of arrival."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.config import RecurrentConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.decoder import Given
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.quantization import quantize_network
from dragoman.model.network.recurrent import RecurrentNetwork
from tests.model.decoding.decoders.test_torch_decoder import Sentences
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import (
    FORBIDDEN,
    JOINED,
    VOCAB_SIZE,
    assert_same,
    make_requests,
    requests_without_id,
    run_with_arrivals,
)
from tests.model.network.test_recurrent import KINDS
from tests.pieces import BOS_ID, EOS_ID
from tests.reference_beam import reference_beam_search, reference_search


def tiny_network(cell: str, attention: str) -> RecurrentNetwork:
    """Random weights in float64, sharp enough for hypotheses to differ and to end."""
    torch.manual_seed(5)
    shape = {
        "kind": "recurrent",
        "d_model": 12,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "max_source_length": 20,
        "max_target_length": 24,
        "cell": cell,
        "attention": attention,
    }
    vocabulary = VocabularyShape(source_size=VOCAB_SIZE, target_size=VOCAB_SIZE, joint=True)
    network = RecurrentNetwork(validate_tree(RecurrentConfig, shape), vocabulary).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return network


NETWORKS = {kind: tiny_network(*kind) for kind in KINDS}


def make_engine(network: RecurrentNetwork, max_slots: int) -> Engine:
    return Engine(TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=max_slots), joined_ids=JOINED)


@given(
    st.sampled_from(KINDS),
    st.lists(requests_without_id, min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(),
)
@settings(deadline=None, max_examples=20)
def test_equals_the_oracle_with_any_batch_mates_and_arrivals(
    kind: tuple[str, str], drawn: list[tuple[tuple[int, ...], SearchOptions, int]], max_slots: int, seed: int
) -> None:
    network, requests = NETWORKS[kind], make_requests(drawn)
    found = run_with_arrivals(make_engine(network, max_slots), requests, seed)
    for request in requests:
        due = reference_beam_search(network, request.source_ids, request.options, request.max_target_length, FORBIDDEN)
        assert_same(found[request.id], due)


@pytest.mark.parametrize("kind", KINDS)
def test_the_decoder_remembers_the_right_states(kind: tuple[str, str]) -> None:
    chance = random.Random(3)
    sentences = Sentences(NETWORKS[kind], chance)
    sentences.admit([0, 2, 3])
    for _ in range(4):
        sentences.step()
    sentences.admit([1])
    for _ in range(3):
        sentences.step()


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_the_oracle_s(kind: tuple[str, str]) -> None:
    network = NETWORKS[kind]
    options = [
        SearchOptions(beam_size=3, n_best=3, no_repeat_ngram_size=2, min_target_length=4),
        SearchOptions(n_best=4, sampling_temperature=1.2, seed=3),
    ]
    if kind[1] != "none":
        options.append(SearchOptions(beam_size=3, n_best=3, coverage_penalty=0.4, return_attention=True))
    requests = [Request(number, (7, 9, 30, 11, 3), one, 15) for number, one in enumerate(options)]
    requests.append(Request(9, (8, 9, 3), SearchOptions(beam_size=6, n_best=2), 15, terms=(((12, 13),),)))
    requests.append(Request(10, (8, 9, 3), SearchOptions(beam_size=3), 15, prefix_ids=(11, 12)))
    found = run(make_engine(network, 6), requests)
    for request in requests:
        due = reference_search(network, request.source_ids, request.options, request.max_target_length,
                               prefix_ids=request.prefix_ids, terms=request.terms, forbidden_ids=FORBIDDEN,
                               joined_ids=JOINED)  # fmt: skip
        assert_same(found[request.id].hypotheses, due)


@pytest.mark.parametrize("kind", KINDS)
def test_given_translations_have_the_same_scores_together_and_alone(kind: tuple[str, str]) -> None:
    decoder = TorchDecoder(NETWORKS[kind], max_slots=2)
    has_attention = kind[1] != "none"
    given = [
        Given((7, 9, 3), (BOS_ID, 11, 12, EOS_ID), has_attention),
        Given((8, 9, 10, 11, 12, 3), (BOS_ID, 20, EOS_ID), has_attention),
    ]
    together = decoder.score(given)
    for one, score in zip(given, together, strict=True):
        (alone,) = decoder.score([one])
        assert score.log_probs == pytest.approx(alone.log_probs)
        if has_attention:
            assert score.attention is not None
            assert score.attention.sum(axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_integers_finds_nearly_the_same(kind: tuple[str, str]) -> None:
    torch.manual_seed(1)
    network = RecurrentNetwork(NETWORKS[kind].config, NETWORKS[kind].vocabulary).eval()
    given = [Given((7, 9, 30, 11, 3), (BOS_ID, 11, 12, 30, 31, EOS_ID))]
    (due,) = TorchDecoder(network).score(given)
    (found,) = TorchDecoder(quantize_network(network)).score(given)
    assert found.log_probs == pytest.approx(due.log_probs, abs=0.05)
    assert found.log_probs.tolist() != due.log_probs.tolist()

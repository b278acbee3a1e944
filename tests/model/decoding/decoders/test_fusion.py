"""Shallow fusion against a naive search that adds the two models' log probabilities, whatever the batch-mates."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from dragoman.model.config import LanguageModelConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.decoders.fusion import FusionDecoder
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.language_model import LanguageModel
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import (
    FORBIDDEN,
    JOINED,
    NETWORK,
    VOCAB_SIZE,
    assert_same,
    expected,
    run_with_arrivals,
)
from tests.pieces import BOS_ID, EOS_ID


def make_language_model() -> LanguageModel:
    torch.manual_seed(9)
    keys = {"kind": "language-model", "d_model": 12, "d_ff": 16, "num_heads": 2, "num_layers": 2}
    shape = VocabularyShape(source_size=VOCAB_SIZE, target_size=VOCAB_SIZE, joint=True)
    config = validate_tree(LanguageModelConfig, keys | {"max_target_length": 24})
    network = LanguageModel(config, shape).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


LANGUAGE_MODEL = make_language_model()


def make_engine(max_slots: int) -> Engine:
    decoder = FusionDecoder(
        TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=max_slots),
        TorchDecoder(LANGUAGE_MODEL, max_slots=max_slots),
    )
    return Engine(decoder, joined_ids=JOINED)


@torch.inference_mode()
def fused_log_probs(source_ids: Sequence[int], tokens: Sequence[int], weight: float) -> list[float]:
    source, target = torch.tensor([list(source_ids)]), torch.tensor([[BOS_ID, *tokens]])
    mask = torch.ones_like(source, dtype=torch.bool)
    both = [network(source, mask, target)[0, -1].log_softmax(dim=0) for network in (NETWORK, LANGUAGE_MODEL)]
    total: list[float] = (both[0] + weight * both[1]).tolist()
    return total


def naive_search(request: Request) -> list[TokenHypothesis]:
    """The search of `tests.reference_beam.reference_beam_search`, with the two models."""
    options, live, finished = request.options, [(0.0, list[int]())], list[TokenHypothesis]()
    for position in range(request.max_target_length):
        extensions = [
            (log_prob + value, [*tokens, piece])
            for log_prob, tokens in live
            for piece, value in enumerate(fused_log_probs(request.source_ids, tokens, options.fusion_weight))
            if piece not in FORBIDDEN and not (piece == EOS_ID and position == 0)
        ]
        extensions.sort(key=lambda extension: -extension[0])
        penalty = ((5 + position + 1) / 6) ** options.length_penalty
        is_last = position + 1 == request.max_target_length
        live = []
        for rank, (log_prob, tokens) in enumerate(extensions[: 2 * options.beam_size]):
            ends = tokens[-1] == EOS_ID
            if (ends or is_last) and rank < options.beam_size:
                finished.append(TokenHypothesis(tuple(tokens[:-1] if ends else tokens), log_prob / penalty))
            if not ends and len(live) < options.beam_size:
                live.append((log_prob, tokens))
        if len(finished) >= options.beam_size:
            break
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)[: options.n_best]


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_naive_search_and_leaves_others_alone(seed: int) -> None:
    chance = random.Random(seed)
    requests = [
        Request(
            number,
            tuple(chance.randrange(6, VOCAB_SIZE) for _ in range(chance.randint(1, 9))),
            SearchOptions(beam_size=chance.randint(1, 4), fusion_weight=chance.choice([0.0, 0.2, 1.0])),
            chance.randint(2, 10),
        )
        for number in range(6)
    ]
    engine = make_engine(3)
    found = run_with_arrivals(engine, requests, seed)
    assert engine.free_slots == 3
    for request in requests:
        assert_same(found[request.id], naive_search(request))
        if not request.options.fusion_weight:
            assert_same(found[request.id], expected(request))


def test_the_weight_changes_what_is_found() -> None:
    source = (7, 9, 30, 11, 3)
    texts = {
        run(make_engine(1), [Request(0, source, SearchOptions(fusion_weight=weight), 12)])[0].hypotheses[0].token_ids
        for weight in (0.0, 0.5, 2.0)
    }
    assert len(texts) > 1


def test_rules_hold_and_samples_are_drawn_with_it() -> None:
    options = SearchOptions(beam_size=3, n_best=3, no_repeat_ngram_size=1, fusion_weight=0.5)
    for hypothesis in run(make_engine(1), [Request(0, (7, 9, 3), options, 10)])[0].hypotheses:
        assert len(set(hypothesis.token_ids)) == len(hypothesis.token_ids)
    term = Request(1, (7, 9, 3), SearchOptions(beam_size=6, fusion_weight=0.5), 10, terms=(((12, 13),),))
    (found,) = run(make_engine(1), [term])[1].hypotheses
    assert (12, 13) in list(zip(found.token_ids, found.token_ids[1:], strict=False))
    sampled = SearchOptions(n_best=3, sampling_temperature=1.0, fusion_weight=0.5)
    assert len(run(make_engine(2), [Request(2, (7, 9, 3), sampled, 8)])[2].hypotheses) == 3


def test_a_prefix_is_known_to_both() -> None:
    options = SearchOptions(beam_size=1, fusion_weight=0.5)
    (found,) = run(make_engine(1), [Request(0, (7, 9, 3), options, 6, prefix_ids=(11, 12))])[0].hypotheses
    assert found.token_ids[:2] == (11, 12)
    values = np.array(fused_log_probs((7, 9, 3), (11, 12), 0.5))
    values[[*FORBIDDEN]] = -np.inf
    assert (*found.token_ids, EOS_ID)[2] == int(values.argmax())

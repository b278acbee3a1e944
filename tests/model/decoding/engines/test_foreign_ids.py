"""A network whose special pieces have other ids than those of our vocabularies, through the engine."""

from collections.abc import Callable

import pytest
import torch

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.decoders.ensemble import EnsembleDecoder
from dragoman.model.decoding.decoders.native import decoder as native
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.transformer import Transformer
from tests.model.decoding.decoders.native.networks import ODD_SIZES, tensors_of
from tests.model.decoding.engines.test_engine import run_with_arrivals
from tests.reference_beam import reference_search

SHAPE = VocabularyShape(source_size=40, target_size=40, joint=True, pad_id=39, unk_id=1, start_id=38, eos_id=0)
FORBIDDEN = (1, 2, 38, 39)


def make_network() -> Transformer:
    torch.manual_seed(3)
    network = Transformer(validate_tree(ArchitectureConfig, ODD_SIZES), SHAPE).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        network.output_projection.weight[SHAPE.eos_id].mul_(2)  # some hypotheses end before they are cut off
    return network


NETWORK = make_network()


def torch_decoder() -> Decoder:
    return TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=3)


def native_decoder() -> Decoder:
    if not native.is_available():
        pytest.skip("there is no compiler")
    tensors = tensors_of(NETWORK)
    return native.NativeDecoder(
        NETWORK.config, SHAPE, tensors, precision="float32", forbidden_ids=FORBIDDEN, max_slots=3
    )


def ensemble() -> Decoder:
    return EnsembleDecoder([torch_decoder(), torch_decoder()])


REQUESTS = [
    Request(0, (5, 6, 7, 0), SearchOptions(beam_size=4, n_best=4), 12),
    Request(1, (8, 0), SearchOptions(beam_size=1, min_target_length=3), 9),
    Request(2, (3, 4, 0), SearchOptions(beam_size=3, n_best=3, no_repeat_ngram_size=2), 14, suppressed_ids=(5, 9)),
    Request(3, (11, 12, 13, 14, 0), SearchOptions(beam_size=2, n_best=2), 10, prefix_ids=(2, 3)),
    Request(4, (9, 3, 0), SearchOptions(n_best=3, sampling_temperature=1.0, seed=4), 10),
]


@pytest.mark.parametrize("make_decoder", [torch_decoder, native_decoder, ensemble])
def test_the_engine_equals_the_oracle(make_decoder: Callable[[], Decoder]) -> None:
    found = run_with_arrivals(Engine(make_decoder()), REQUESTS, random_seed=1)
    ended = 0
    for request in REQUESTS:
        due = reference_search(
            NETWORK,
            request.source_ids,
            request.options,
            request.max_target_length,
            FORBIDDEN,
            prefix_ids=request.prefix_ids,
            suppressed_ids=request.suppressed_ids,
        )
        assert [one.token_ids for one in found[request.id]] == [one.token_ids for one in due]
        assert [one.score for one in found[request.id]] == pytest.approx([one.score for one in due], rel=1e-4)
        assert all(SHAPE.eos_id not in one.token_ids for one in due)
        ended += sum(len(one.token_log_probs) > len(one.token_ids) for one in due)
    assert ended  # else the end of sentence was never looked at


@pytest.mark.parametrize("make_decoder", [torch_decoder, native_decoder])
def test_a_given_translation_ends_with_the_networks_own_end(make_decoder: Callable[[], Decoder]) -> None:
    engine = Engine(make_decoder())
    given = (20, 3, 21)  # 3, which ends our own sentences, is a piece like any other here
    engine.admit([Request(0, (5, 6, 0), SearchOptions(beam_size=1), 4, prefix_ids=(*given, SHAPE.eos_id))])
    (hypothesis,) = run_with_arrivals(engine, [], random_seed=0)[0]
    assert hypothesis.token_ids == given
    assert len(hypothesis.token_log_probs) == 4

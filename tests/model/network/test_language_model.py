"""The language model against its twin in NumPy, and its way into a bundle and back."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, Storage, config_json
from dragoman.model.config import Direction, LanguageModelConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.decoder import Admission, Given, Rows
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.tracing.trace import trace
from dragoman.model.network.language_model import LanguageModel
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.parameters import describe_parameters
from dragoman.model.tables import read_table
from dragoman.model.weights import StoredTensor, count_parameters
from tests.pieces import BOS_ID, EOS_ID

VOCABULARY = VocabularyShape(source_size=23, target_size=23, joint=True)
VARIANTS: dict[str, dict[str, object]] = {
    "plain": {},
    "not tied": {"tied_embeddings": "none", "output_bias": True},
    "post-norm, learnt positions": {"normalization": "post", "positions": "learnt", "embedding_norm": True},
}


def make_network(**changes: object) -> LanguageModel:
    torch.manual_seed(0)
    shape = {"d_model": 12, "d_ff": 20, "num_heads": 3, "d_key": 5, "d_value": 2, "num_layers": 2}
    keys = {"kind": "language-model", "max_target_length": 20, **shape, **changes}
    network = LanguageModel(validate_tree(LanguageModelConfig, keys), VOCABULARY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def stored(network: LanguageModel) -> dict[str, StoredTensor]:
    return {
        name: StoredTensor(value.detach().numpy().copy())
        for name, value in network.named_parameters(remove_duplicate=False)
    }


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_equals_its_twin_and_looks_at_nothing_later(name: str) -> None:
    network = make_network(**VARIANTS[name])
    text = [BOS_ID, 9, 8, 11, 4, 20, 7]
    nothing, mask = torch.tensor([[EOS_ID]]), torch.ones(1, 1, dtype=torch.bool)
    found = network(nothing, mask, torch.tensor([text])).log_softmax(dim=-1)[0].numpy()
    traced = trace(network.config, stored(network), (), text)
    np.testing.assert_allclose(found, traced.log_probs, rtol=1e-4, atol=1e-4)
    assert (len(traced.encoder), len(traced.decoder), len(traced.cross)) == (0, 2, 0)
    for length in range(1, len(text)):
        beginning = network(nothing, mask, torch.tensor([text[:length]])).log_softmax(dim=-1)[0].numpy()
        np.testing.assert_allclose(beginning, found[:length], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_decoder_goes_step_by_step_to_the_same_numbers() -> None:
    network = make_network()
    decoder = TorchDecoder(network, max_slots=2)
    text = [BOS_ID, 9, 8, 11, 4]
    (score,) = decoder.score([Given((EOS_ID,), (*text, EOS_ID))])
    decoder.admit([Admission(1, (EOS_ID,), 1, 10)])
    found = []
    for place, piece in enumerate(text):
        rows = Rows(
            slots=np.array([1], np.int32),
            offsets=np.array([0, 1], np.int32),
            positions=np.array([place], np.int32),
            token_ids=np.array([piece], np.int32),
            log_probs=np.zeros(1),
            ancestry=np.zeros((2, 1, 10), np.uint8),
            num_extensions=np.array([2], np.int32),
        )
        decoder.advance(rows)
        found.append(decoder.log_probs(rows, np.array([0], np.int32))[0, (*text, EOS_ID)[place + 1]])
    assert found == pytest.approx(score.log_probs.tolist(), abs=1e-5)


@pytest.mark.parametrize("storage", get_args(Storage))
@pytest.mark.parametrize("name", VARIANTS)
def test_there_and_back_through_a_bundle(name: str, storage: Storage, tmp_path: Path) -> None:
    network = make_network(**VARIANTS[name])
    info = BundleConfig(
        name="x",
        directions=(Direction("de", "de"),),
        architecture=network.config,
        vocabulary=VOCABULARY,
        storage=storage,
        num_parameters=num_parameters(network),
    )
    assert read_table(BundleConfig, config_json(info).encode(), "config.json") == info
    assert count_parameters(network.config, VOCABULARY) == num_parameters(network)
    (tmp_path / WEIGHTS_FILE).write_bytes(pack_weights(network, storage))
    kept = dict(load_network(tmp_path, info).named_parameters(remove_duplicate=False))
    described = describe_parameters(network.config, VOCABULARY)
    assert {one.name: one.shape for one in described} == {key: tuple(value.shape) for key, value in kept.items()}
    for key, parameter in network.named_parameters(remove_duplicate=False):
        assert (kept[key] - parameter).abs().max() <= {"float32": 0.0, "float16": 1e-3, "int8": 0.02}[storage], key

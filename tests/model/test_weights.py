"""The weights as NumPy arrays: the same numbers and shapes as the network's, read without torch. How damage is told is
tested in test_storage.py, where the network itself is read by the same module."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from safetensors import numpy as safetensors_numpy
from safetensors.torch import save

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, Storage, read_config
from dragoman.model.config import ArchitectureConfig, Direction, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.network import Network, num_parameters
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.parameters import describe_parameters
from dragoman.model.weights import (
    StoredTensor,
    count_parameters,
    pack_tensors,
    parse_weights,
    quantize,
    read_weights,
    view_tensors,
)
from tests.architectures import transformer_shape

ROOT = Path(__file__).parents[2]


@st.composite
def architectures(draw: st.DrawFn) -> tuple[ArchitectureConfig, VocabularyShape]:
    small = st.integers(1, 5)
    tied = draw(st.sampled_from(["all", "target", "source", "none"]))
    architecture = validate_tree(
        ArchitectureConfig,
        {
            "d_model": 2 * draw(small),
            "d_ff": draw(small),
            "num_heads": draw(small),
            "d_key": draw(small),
            "d_value": draw(small),
            "num_encoder_layers": draw(st.integers(1, 3)),
            "num_decoder_layers": draw(st.integers(1, 3)),
            "normalization": draw(st.sampled_from(["pre", "post"])),
            "tied_embeddings": tied,
        },
    )
    source_size, target_size = draw(st.integers(8, 20)), draw(st.integers(8, 20))
    joint = tied in ("all", "source")
    shape = VocabularyShape(source_size=target_size if joint else source_size, target_size=target_size, joint=joint)
    return architecture, shape


def parameters_of(network: Network) -> dict[str, torch.Tensor]:
    """Tied ones under each of their names."""
    return {name: parameter.detach() for name, parameter in network.named_parameters(remove_duplicate=False)}


@given(architectures())
@settings(deadline=None, max_examples=40)
def test_shapes_are_those_of_the_network(drawn: tuple[ArchitectureConfig, VocabularyShape]) -> None:
    parameters = parameters_of(Transformer(*drawn))
    described = describe_parameters(*drawn)
    assert {one.name: one.shape for one in described} == {name: tuple(one.shape) for name, one in parameters.items()}
    for one in described:
        assert parameters[one.name].data_ptr() == parameters[one.stored_as].data_ptr()
    storages = {parameter.data_ptr() for parameter in parameters.values()}
    assert len({one.stored_as for one in described}) == len(storages)


def store(network: Transformer, shape: VocabularyShape, storage: Storage, folder: Path) -> BundleConfig:
    (folder / WEIGHTS_FILE).write_bytes(pack_weights(network, storage))
    return BundleConfig(
        name="test",
        directions=(Direction("en", "de"),),
        architecture=network.config,
        vocabulary=shape,
        storage=storage,
        num_parameters=num_parameters(network),
    )


@pytest.mark.parametrize("storage", get_args(Storage))
@pytest.mark.parametrize("tied", ["all", "target", "none"])
@pytest.mark.parametrize("normalization", ["pre", "post"])
def test_numbers_are_those_of_the_network(normalization: str, tied: str, storage: Storage, tmp_path: Path) -> None:
    torch.manual_seed(0)
    architecture = validate_tree(
        ArchitectureConfig,
        {
            "d_model": 8,
            "d_ff": 12,
            "num_heads": 2,
            "d_key": 3,
            "d_value": 5,
            "num_encoder_layers": 2,
            "num_decoder_layers": 1,
            "normalization": normalization,
            "tied_embeddings": tied,
        },
    )
    shape = VocabularyShape(source_size=30, target_size=30, joint=True)
    network = Transformer(architecture, shape)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    config = store(network, shape, storage, tmp_path)
    found, due = read_weights(tmp_path, config), parameters_of(load_network(tmp_path, config))
    described = describe_parameters(architecture, shape)
    assert list(found) == [parameter.name for parameter in described]
    assert found.keys() == due.keys()
    for name, tensor in found.items():
        assert (tensor.scales is not None) == (storage == "int8" and tensor.values.ndim == 2)
        assert tensor.values.flags.c_contiguous  # the kernels take its address
        assert tensor.as_floats().dtype == np.float32
        assert_array_equal(tensor.as_floats(), due[name].numpy())
    for one in described:
        assert found[one.name] is found[one.stored_as]


def named_arrays(tied: str) -> tuple[dict[str, StoredTensor], BundleConfig]:
    """Random ones for a small network, and the configuration of its bundle."""
    architecture = validate_tree(
        ArchitectureConfig,
        {
            "d_model": 8,
            "d_ff": 12,
            "num_heads": 2,
            "num_encoder_layers": 1,
            "num_decoder_layers": 1,
            "tied_embeddings": tied,
        },
    )
    shape = VocabularyShape(source_size=30, target_size=30, joint=True)
    chance, arrays = np.random.default_rng(1), {}
    for one in describe_parameters(architecture, shape):
        arrays[one.name] = StoredTensor(chance.normal(size=one.shape).astype(np.float32))
    arrays = {one.name: arrays[one.stored_as] for one in describe_parameters(architecture, shape)}
    info = BundleConfig(
        name="test",
        directions=(Direction("en", "de"),),
        architecture=architecture,
        vocabulary=shape,
        storage="float32",
        num_parameters=count_parameters(architecture, shape),
    )
    return arrays, info


@pytest.mark.parametrize("storage", get_args(Storage))
@pytest.mark.parametrize("tied", ["all", "target", "source", "none"])
def test_named_arrays_become_a_bundle_s_weights(tied: str, storage: Storage) -> None:
    arrays, info = named_arrays(tied)
    content = pack_tensors(arrays, info.architecture, info.vocabulary, storage)
    once = {one.name: arrays[one.name] for one in describe_parameters(info.architecture, info.vocabulary)[::-1]}
    if tied == "all":
        del once["source_embedding.weight"], once["output_projection.weight"]
    assert pack_tensors(once, info.architecture, info.vocabulary, storage) == content
    found = parse_weights(content, info, Path("weights"))
    assert info.num_parameters == num_parameters(Transformer(transformer_shape(info.architecture), info.vocabulary))
    for name, tensor in found.items():
        due = arrays[name].values
        if storage == "int8" and due.ndim == 2:
            assert_array_equal(tensor.values, quantize(due).values)
        elif storage == "float16":
            assert_array_equal(tensor.values, due.astype(np.float16))
        else:
            assert_array_equal(tensor.values, due)
    if storage == "int8":  # what has 8 bits already is not rounded again
        assert pack_tensors(found, info.architecture, info.vocabulary, storage) == content


def test_arrays_that_make_no_bundle_are_refused() -> None:
    arrays, info = named_arrays("all")
    one = "encoder_layers.0.feed_forward.inner.bias"
    lacking = {name: tensor for name, tensor in arrays.items() if name != one}
    for given_arrays, message in (
        (lacking, f"the network lacks the tensor {one}"),
        (arrays | {"x.weight": arrays[one]}, "this network has no tensor x.weight"),
        (arrays | {one: StoredTensor(np.zeros(11, np.float32))}, rf"{one} has the shape \[11\], but \[12\] is due"),
        (arrays | {one: StoredTensor(np.full(12, np.nan, np.float32))}, f"{one} holds what is no number"),
        (
            arrays | {"output_projection.weight": StoredTensor(np.zeros((30, 8), np.float32))},
            "output_projection.weight is unlike source_embedding.weight, to which it is tied",
        ),
    ):
        with pytest.raises(InvalidInputError, match=message):
            pack_tensors(given_arrays, info.architecture, info.vocabulary, "float32")


def test_numbers_in_8_bits_are_multiplied_by_the_scale_of_their_row() -> None:
    values, scales = np.array([[1, -2], [127, 0]], np.int8), np.array([0.5, 2.0], np.float32)
    assert StoredTensor(values, scales).as_floats().tolist() == [[0.5, -1.0], [254.0, 0.0]]


def test_reading_needs_no_torch(tiny_bundle: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from dragoman.model.bundle import read_config
from dragoman.model.parameters import describe_parameters
from dragoman.model.weights import read_weights
folder = Path({str(tiny_bundle)!r})
assert len(read_weights(folder, read_config(folder))) > 10
assert "torch" not in sys.modules, "torch was imported"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_bundle_of_another_architecture_is_told(tiny_bundle: Path) -> None:
    config = read_config(tiny_bundle)
    deeper = replace(transformer_shape(config.architecture), num_decoder_layers=2)
    with pytest.raises(InvalidInputError, match=r"lacks the tensor decoder_layers\.1\.self_attention\.query\.weight"):
        read_weights(tiny_bundle, replace(config, architecture=deeper))


def test_numbers_of_a_kind_that_numpy_lacks_are_told(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (folder / WEIGHTS_FILE).write_bytes(save({"source_embedding.weight": torch.zeros(2, 2).bfloat16()}))
    with pytest.raises(InvalidInputError, match=r"weights\.safetensors: holds numbers of the kind BF16"):
        read_weights(folder, read_config(folder))


def safetensors_of(header: object, data: bytes = bytes(8)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_views_are_what_safetensors_reads() -> None:
    arrays: dict[str, Any] = {
        "a": np.arange(6, dtype=np.int8).reshape(2, 3),
        "b": np.zeros((0, 4), np.float32),
        "c": np.array(2.5),
    }
    content = safetensors_numpy.save(arrays, {"format": "pt"})
    views = view_tensors(content)
    assert views.keys() == arrays.keys()
    for name, array in safetensors_numpy.load(content).items():
        assert views[name].dtype == array.dtype
        assert_array_equal(views[name], array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(7),
        (1 << 62).to_bytes(8, "little"),
        safetensors_of(b"{"),
        safetensors_of(b"\xff"),
        safetensors_of([]),
        safetensors_of({"a": []}),
        safetensors_of({"a": {"dtype": "F32", "shape": [2]}}),
        safetensors_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}),
        safetensors_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}),
        safetensors_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}),
        safetensors_of({"a": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}),
        safetensors_of({"a": {"dtype": "F32", "shape": ["2"], "data_offsets": [0, 8]}}),
        safetensors_of({"a": {"dtype": "F32", "shape": [1.0, 2], "data_offsets": [0, 8]}}),
        safetensors_of({"a": {"dtype": "F32", "shape": [1 << 70], "data_offsets": [0, 1 << 72]}}),
        safetensors_of({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}),
        safetensors_of({"a": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}),
        safetensors_of(b"[" * 100_000),
    ],
)
def test_no_view_reaches_beyond_a_damaged_file(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|described|size|beyond|BF16|column|utf-8"):
        view_tensors(content)

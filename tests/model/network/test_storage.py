"""The weights on disk: what comes back in 32, 16 and 8 bits, and how damage is told."""

import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, Storage, read_config
from dragoman.model.config import ArchitectureConfig, Direction, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.network import Network, num_parameters
from dragoman.model.network.quantization import quantize_rows
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.weights import SCALE_SUFFIX

VOCABULARY = VocabularyShape(source_size=30, target_size=30, joint=True)


def make_network(tied: str = "all", seed: int = 0) -> Transformer:
    shape = {
        "d_model": 8,
        "d_ff": 16,
        "num_heads": 2,
        "num_encoder_layers": 1,
        "num_decoder_layers": 1,
        "tied_embeddings": tied,
    }
    torch.manual_seed(seed)
    network = Transformer(validate_tree(ArchitectureConfig, shape), VOCABULARY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def store(network: Network, storage: Storage, folder: Path) -> BundleConfig:
    (folder / WEIGHTS_FILE).write_bytes(pack_weights(network, storage))
    return BundleConfig(
        name="test",
        directions=(Direction("en", "de"),),
        architecture=network.config,
        vocabulary=VOCABULARY,
        storage=storage,
        num_parameters=num_parameters(network),
    )


@pytest.mark.parametrize("storage", get_args(Storage))
@pytest.mark.parametrize("tied", ["all", "target", "none"])
def test_round_trip(storage: Storage, tied: str, tmp_path: Path) -> None:
    network = make_network(tied)
    loaded = load_network(tmp_path, store(network, storage, tmp_path))
    assert not loaded.training
    found = dict(loaded.named_parameters())
    for name, parameter in network.named_parameters():
        assert found[name].dtype == torch.float32
        if storage == "float32" or (storage == "int8" and parameter.dim() < 2):
            bound = torch.zeros(())
        elif storage == "float16":
            bound = parameter.abs() * 2**-11 + 2**-25
        else:  # half a step of the row's scale
            bound = parameter.abs().amax(dim=1, keepdim=True) / 127 / 2 * 1.0001
        assert ((found[name] - parameter).abs() <= bound).all(), name
    source, mask, target = (
        torch.randint(4, 30, (2, 5)),
        torch.ones(2, 5, dtype=torch.bool),
        torch.randint(2, 30, (2, 4)),
    )
    tolerance = {"float32": 0.0, "float16": 0.01, "int8": 0.1}[storage]
    torch.testing.assert_close(loaded(source, mask, target), network(source, mask, target), atol=tolerance, rtol=0.0)


@pytest.mark.parametrize("storage", get_args(Storage))
def test_packing_again_changes_nothing_more(storage: Storage, tmp_path: Path) -> None:
    """Also int8: the largest number of each row is 127 steps again."""
    config = store(make_network(), storage, tmp_path)
    once = load_network(tmp_path, config)
    store(once, storage, tmp_path)
    twice = load_network(tmp_path, config)
    for first, second in zip(once.parameters(), twice.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-6, atol=0.0)


@given(
    st.lists(
        st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=4, max_size=4),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None)
def test_rows_in_8_bits_are_off_by_half_a_step_at_most(rows: list[list[float]]) -> None:
    matrix = torch.tensor(rows)
    integers, scales = quantize_rows(matrix)
    assert integers.dtype == torch.int8
    assert (integers >= -127).all()
    assert scales.isfinite().all()
    error = (integers.double() * scales.double().unsqueeze(1) - matrix.double()).abs()
    assert (error <= scales.double().unsqueeze(1) * 0.50001).all()


def test_rows_of_zeros_stay_so_and_every_row_has_its_scale() -> None:
    integers, scales = quantize_rows(torch.tensor([[0.0, 0.0], [254.0, -127.0], [1.27e-3, 0.0]]))
    assert integers.tolist() == [[0, 0], [127, -64], [127, 0]]
    assert scales.tolist()[1:] == pytest.approx([2.0, 1e-5])
    assert (integers[0] * scales[0]).tolist() == [0.0, 0.0]


def test_sizes_on_disk() -> None:
    network = make_network()
    total = num_parameters(network)
    num_matrix = sum(parameter.numel() for parameter in network.parameters() if parameter.dim() == 2)
    num_rows = sum(len(parameter) for parameter in network.parameters() if parameter.dim() == 2)
    for storage, due in {
        "float32": 4 * total,
        "float16": 2 * total,
        "int8": num_matrix + 4 * num_rows + 4 * (total - num_matrix),
    }.items():
        content = pack_weights(network, storage)  # type: ignore[arg-type]
        header = 8 + int.from_bytes(content[:8], "little")
        assert len(content) - header == due


def test_tied_matrices_are_stored_once() -> None:
    tensors = load(pack_weights(make_network("all"), "float32"))
    assert [name for name in tensors if "embedding" in name or "output_projection" in name] == [
        "source_embedding.weight"
    ]


# Damage


def change_tensor(name: str, change: Callable[[Tensor], Tensor | None]) -> Callable[[bytes], bytes]:
    """A change to one tensor of the file; None leaves it out."""

    def apply(content: bytes) -> bytes:
        tensors = load(content)
        changed = change(tensors.pop(name))
        return save(tensors if changed is None else tensors | {name: changed})

    return apply


MATRIX, VECTOR = "encoder_layers.0.feed_forward.inner.weight", "encoder_layers.0.feed_forward.inner.bias"

DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda content: content[:-10], "damaged or cut short"),
    "only the header": (lambda content: content[:8], "damaged or cut short"),
    "empty": (lambda _: b"", "damaged or cut short"),
    "random bytes": (lambda content: b"\xa7" * len(content), "damaged or cut short"),
    "a pickle": (lambda _: pickle.dumps({"weights": [1.0]}), "damaged or cut short"),
    "more at the end": (lambda content: content + b"more", "damaged or cut short"),
    "a header longer than the file": (lambda content: b"\xff" * 7 + b"\x00" + content[8:], "damaged or cut short"),
    "a shape beyond all numbers": (
        lambda content: content.replace(b'"shape":[32,16]', b'"shape":[4294967296,4294967296]', 1),
        "damaged or cut short",
    ),
    "far larger than the architecture": (
        lambda content: save(load(content) | {"one more": torch.zeros(1 << 20)}),
        r"has [\d,]+ bytes, but [\d,]+ are the most that it can need",
    ),
    "no matrix": (change_tensor(MATRIX, lambda _: None), f"lacks the tensor {MATRIX}"),
    "no vector": (change_tensor(VECTOR, lambda _: None), f"lacks the tensor {VECTOR}"),
    "transposed": (
        change_tensor(MATRIX, lambda tensor: tensor.T.contiguous()),
        rf"{MATRIX} has the shape \[16, 32\], but \[32, 16\] is due",
    ),
    "a vector too long": (
        change_tensor(VECTOR, lambda tensor: torch.cat([tensor, tensor])),
        rf"{VECTOR} has the shape \[64\], but \[32\] is due",
    ),
    "no scales": (change_tensor(MATRIX + SCALE_SUFFIX, lambda _: None), f"{MATRIX} lacks its scales"),
    "too few scales": (change_tensor(MATRIX + SCALE_SUFFIX, lambda scales: scales[:-1]), f"{MATRIX} lacks its scales"),
    "a vector in 8 bits": (change_tensor(VECTOR, lambda tensor: tensor.to(torch.int8)), f"{VECTOR} holds int8"),
    "a vector in 8 bits with scales": (
        lambda content: save(
            load(content) | {VECTOR: torch.ones(32, dtype=torch.int8), VECTOR + SCALE_SUFFIX: torch.ones(32)}
        ),
        f"{VECTOR} holds int8",
    ),
    "no number": (change_tensor(VECTOR, lambda tensor: tensor * torch.nan), f"{VECTOR} holds what is no number"),
    "infinite scales": (
        change_tensor(MATRIX + SCALE_SUFFIX, lambda scales: scales / 0.0),
        f"{MATRIX} holds what is no number, or infinite",
    ),
    "other integers": (
        change_tensor(MATRIX, lambda tensor: tensor.to(torch.int16)),
        f"{MATRIX} holds int16",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_names_the_file_and_what_is_wrong(kind: str, tiny_bundle: Path, tmp_path: Path) -> None:
    damage, message = DAMAGE[kind]
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    path = folder / WEIGHTS_FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidInputError, match=message) as caught:
        load_network(folder, read_config(folder))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"weights\.safetensors: the bundle lacks this file"):
        load_network(tmp_path, read_config(tiny_bundle))


@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_a_flipped_byte_in_the_header_never_crashes(
    data: st.DataObject, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = read_config(tiny_bundle)
    content = bytearray((tiny_bundle / WEIGHTS_FILE).read_bytes())
    place = data.draw(st.integers(0, 7 + int.from_bytes(content[:8], "little")))
    content[place] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("flipped")
    (folder / WEIGHTS_FILE).write_bytes(content)
    with suppress(InvalidInputError):
        load_network(folder, config)

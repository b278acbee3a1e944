"""Models of Marian, in both of its formats, compute what Marian computes."""

import gzip
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dragoman.model.bundle import find_bundle, read_config, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import Folder
from dragoman.model.foreign.importing import find_format, import_model
from dragoman.model.foreign.marian import parse_options, read_list
from dragoman.model.foreign.model import ImportOptions
from dragoman.model.network.network import Network
from dragoman.model.network.storage import load_network
from dragoman.model.shortlist import read_shortlist
from dragoman.model.weights import read_weights
from dragoman.training.card import model_card
from tests.model.foreign.marian_models import (
    BASE,
    GOLDEN,
    VARIANTS,
    make_tensors,
    options_text,
    pieces,
    write_npz,
)

NUM_PIECES = 48
EN_DE = Direction("en", "de")
OPTIONS = ImportOptions(sources=("en",), targets=("de",))
MARIANS: dict[str, Any] = json.loads((GOLDEN / "marian.json").read_text("utf-8"))
"""What pymarian 1.12.42 says: of each variant, each text's n-best list with beam 4, normalize 0, length factor 3."""


def write_marian(
    folder: Path, variant: str = "post-norm", change: Callable[[dict[str, Any]], None] | None = None
) -> Path:
    """A folder with a model. change: of its tensors."""
    folder.mkdir(exist_ok=True)
    tensors = make_tensors(variant, NUM_PIECES)
    if change is not None:
        change(tensors)
    write_npz(folder / "model.npz", tensors, options_text(variant, NUM_PIECES))
    (folder / "vocab.spm").write_bytes(pieces())
    return folder


def convert(source: Path, output: Path) -> Path:
    import_model(source, output, OPTIONS, model_card)
    return output


@torch.inference_mode()
def log_prob(network: Network, source: Sequence[int], target: Sequence[int]) -> float:
    """Of a whole target, the end of sentence included if it is there."""
    given = torch.tensor([[network.vocabulary.start_id, *target[:-1]]])
    ids = torch.tensor([list(source)])
    logits = network(ids, torch.ones_like(ids, dtype=torch.bool), given)
    return float(logits[0].log_softmax(dim=-1)[torch.arange(len(target)), torch.tensor(target)].sum())


@pytest.mark.parametrize("variant", sorted(VARIANTS.keys() - {"pre-norm"}))  # see model.foreign.marian
def test_log_probs_are_marian_s(variant: str, tmp_path: Path) -> None:
    bundle = convert(write_marian(tmp_path / "marian", variant), tmp_path / "bundle")
    info = read_config(bundle)
    vocabulary, network = read_vocabulary(bundle, info), load_network(bundle, info)
    end = vocabulary.shape.eos_id
    for text, n_best in zip(MARIANS["texts"], MARIANS[variant], strict=True):
        source = vocabulary.frame(EN_DE).enclose(vocabulary.source.encode(text))
        for hypothesis, score in n_best:
            target = [vocabulary.target.piece_id(piece) for piece in hypothesis.split()]
            assert None not in target
            ids = [piece for piece in target if piece is not None]
            if len(ids) < 3 * len(source):  # else it was cut off
                ids.append(end)
            assert log_prob(network, source, ids) == pytest.approx(score, abs=2e-4)


def test_the_card_says_where_it_comes_from(tmp_path: Path) -> None:
    bundle = convert(write_marian(tmp_path / "marian"), tmp_path / "bundle")
    card = (bundle / "README.md").read_text("utf-8")
    assert "Imported from marian: a model of the format Marian .npz." in card
    assert "SHA-256 of model.npz" in card
    assert "Licence: not stated" in card


def quantize(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    multiplier = float(np.float32(127 / np.abs(values).max()))
    return np.rint(values * multiplier).astype(np.int8), multiplier


def write_bin(path: Path, tensors: Mapping[str, NDArray[np.float32]], options: str) -> None:
    """A model as Bergamot stores it: matrices in 8 bits, transposed, with their multipliers behind."""
    items: list[tuple[str, int, tuple[int, ...], bytes]] = [
        ("special:model.yml", 0x101, (len(options) + 1,), options.encode() + b"\0"),
        ("Wemb_QuantMultA", 0x404, (1, 1), np.float32(7).tobytes()),
    ]
    for name, values in tensors.items():
        if "_W" not in f"_{name}" or "_ln_" in name:
            items.append((name, 0x404, values.shape, values.tobytes()))
            continue
        integers, multiplier = quantize(values)
        ordered = np.ascontiguousarray(integers if "Wemb" in name else integers.T)
        items.append((name, 0x4101, values.shape, ordered.tobytes() + struct.pack("<f", multiplier)))
    padded = [data + bytes(-len(data) % 256) for *_, data in items]
    content = struct.pack("<QQ", 1, len(items))
    for (name, kind, shape, _), data in zip(items, padded, strict=True):
        content += struct.pack("<4Q", len(name) + 1, kind, len(shape), len(data))
    content += b"".join(name.encode() + b"\0" for name, *_ in items)
    content += b"".join(np.array(shape, "<i4").tobytes() for _, _, shape, _ in items)
    padding = -(len(content) + 8) % 256
    path.write_bytes(content + struct.pack("<Q", padding) + bytes(padding) + b"".join(padded))


def write_shortlist(path: Path, lists: Sequence[Sequence[int]], always: int) -> None:
    offsets = np.cumsum([0, *map(len, lists)]).astype("<u8")
    ids = np.array([piece for one in lists for piece in one], "<u4")
    header = struct.pack("<6Q", 0xF11A48D5013417F5, 0, always, 50, len(offsets), len(ids))
    path.write_bytes(header + offsets.tobytes() + ids.tobytes())


def write_student(folder: Path) -> dict[str, NDArray[np.float32]]:
    """A folder like those of Firefox. Returns the tensors."""
    folder.mkdir()
    tensors = make_tensors("ssru", NUM_PIECES)
    write_bin(folder / "model.ende.intgemm.alphas.bin", tensors, options_text("ssru", NUM_PIECES))
    (folder / "vocab.ende.spm").write_bytes(pieces())
    write_shortlist(folder / "lex.50.50.ende.s2t.bin", [[piece, 40] for piece in range(NUM_PIECES)], 3)
    return tensors


def test_a_student_keeps_its_integers(tmp_path: Path) -> None:
    tensors = write_student(tmp_path / "student")
    import_model(tmp_path / "student", tmp_path / "bundle", ImportOptions(), model_card)
    info = read_config(tmp_path / "bundle")
    assert (info.storage, info.directions) == ("int8", (EN_DE,))
    weights = read_weights(tmp_path / "bundle", info)
    for ours, theirs, is_transposed in (
        ("source_embedding.weight", "Wemb", False),
        ("encoder_layers.1.feed_forward.inner.weight", "encoder_l2_ffn_W1", True),
        ("decoder_layers.0.ssru.forget.weight", "decoder_l1_rnn_Wf", True),
    ):
        integers, multiplier = quantize(tensors[theirs])
        assert np.array_equal(weights[ours].values, integers.T if is_transposed else integers)
        scales = weights[ours].scales
        assert scales is not None
        assert scales == pytest.approx(np.full(len(scales), 1 / multiplier))


def test_a_student_has_its_shortlist(tmp_path: Path) -> None:
    write_student(tmp_path / "student")
    import_model(tmp_path / "student", tmp_path / "bundle", ImportOptions(), model_card)
    shortlist = read_shortlist(tmp_path / "bundle", read_config(tmp_path / "bundle"))
    assert shortlist.allowed_ids([7, 9, 0], EN_DE).tolist() == [0, 1, 2, 7, 9, 40]


def test_pieces_of_a_list(tmp_path: Path) -> None:
    folder = write_marian(tmp_path / "marian")
    listed = ["</s>", "<unk>", "▁the", 'a"b', "on", *(f"x{number}" for number in range(40))]
    lines = [
        f"{json.dumps(piece)}: {number}" if '"' in piece else f"{piece}: {number}"
        for number, piece in enumerate(listed)
    ]
    (folder / "vocab.yml").write_text("\n".join(lines), "utf-8")
    (folder / "vocab.spm").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    (folder / "decoder.yml").write_text("models:\n  - model.npz\nvocabs:\n  - vocab.yml\n  - vocab.yml\n")
    bundle = convert(folder, tmp_path / "bundle")
    vocabulary = read_vocabulary(bundle, read_config(bundle))
    assert vocabulary.source.encode("the") == [2]
    assert vocabulary.target.size == NUM_PIECES
    assert vocabulary.target.piece_id("on") == 4
    assert {45, 46, 47} <= set(vocabulary.forbidden_ids())


def test_entries_that_yaml_libraries_lose() -> None:
    text = '"</s>": 0\n<unk>: 1\non: 2\nno: 3\nnull: 4\n"\\"": 5\n\'it\'\'s\': 6\n": ": 7\n"\\xA0": 8\n'
    assert read_list(text, "v.yml") == ["</s>", "<unk>", "on", "no", "null", '"', "it's", ": ", "\xa0"]


def test_options_are_texts_and_lists() -> None:
    assert parse_options('a: "x"\nb:\n  - 1\n  - 2\nc: []\nd: [1, "y"]\n') == {
        "a": "x",
        "b": ["1", "2"],
        "c": "",
        "d": ["1", "y"],
    } | {"c": []}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "amun"),
        ("transformer-decoder-autoreg", "average-attention"),
        ("transformer-ffn-activation", "tanh"),
        ("transformer-postprocess", "dhn"),
        ("transformer-ffn-depth", "3"),
        ("transformer-no-projection", "true"),
        ("lemma-dim-emb", "8"),
        ("dim-emb", "many"),
        ("transformer-heads", "999999999"),
        ("transformer-preprocess", "n"),
    ],
)
def test_a_variant_that_is_not_supported_is_named(
    key: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BASE, key, value)
    folder = tmp_path / "marian"
    folder.mkdir()
    write_npz(folder / "model.npz", {}, options_text("post-norm", NUM_PIECES))
    (folder / "vocab.spm").write_bytes(pieces())
    with pytest.raises(InvalidInputError, match=key.replace("transformer-heads", "num_heads|multiple")) as caught:
        convert(folder, tmp_path / "bundle")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "bundle").exists()


def cut_short(folder: Path) -> None:
    path = folder / "model.npz"
    path.write_bytes(path.read_bytes()[:-3000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensors: tensors.pop("decoder_l1_ffn_b2"), "lacks the tensor decoder_l1_ffn_b2"),
        (lambda tensors: tensors.update(decoder_l1_strange=np.ones((1, 1))), "decoder_l1_strange"),
        (lambda tensors: tensors.update(encoder_l1_ffn_W1=np.ones((3, 5))), "feed_forward.inner.weight has the shape"),
        (lambda tensors: tensors["decoder_l1_ffn_b2"].fill(np.nan), "no number"),
        (lambda tensors: tensors.update(Wemb=np.array([{"a": 1}])), "Python objects|allow_pickle"),
    ],
)
def test_damaged_tensors(damage: Callable[[dict[str, Any]], None], message: str, tmp_path: Path) -> None:
    folder = write_marian(tmp_path / "marian", change=damage)
    with pytest.raises(InvalidInputError, match=message) as caught:
        convert(folder, tmp_path / "bundle")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "bundle").exists()


def test_files_that_are_cut_short(tmp_path: Path) -> None:
    write_student(tmp_path / "student")
    write_marian(tmp_path / "marian")
    for path in (
        tmp_path / "student" / "model.ende.intgemm.alphas.bin",
        tmp_path / "student" / "lex.50.50.ende.s2t.bin",
        tmp_path / "marian" / "model.npz",
    ):
        whole = path.read_bytes()
        for share in (0.3, 0.6, 0.95):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(InvalidInputError, match=path.name):
                import_model(path.parent, tmp_path / "bundle", OPTIONS, model_card)
            assert not (tmp_path / "bundle").exists()
        path.write_bytes(whole)


def test_a_hostile_size_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(struct.pack("<QQ4Q", 1, 1, 1 << 60, 0x404, 1, 1 << 60))
    (tmp_path / "vocab.spm").write_bytes(pieces())
    with pytest.raises(InvalidInputError, match=r"model\.bin: damaged"):
        import_model(tmp_path, tmp_path / "bundle", OPTIONS, model_card)


def test_a_language_that_no_file_names_must_be_given(tmp_path: Path) -> None:
    folder = write_marian(tmp_path / "marian")
    with pytest.raises(InvalidInputError, match="give --from"):
        import_model(folder, tmp_path / "bundle", ImportOptions(), model_card)
    named = write_marian(tmp_path / "opus-2020.en-de")
    import_model(named, tmp_path / "bundle", ImportOptions(), model_card)
    assert read_config(find_bundle(str(tmp_path / "bundle"))).directions == (EN_DE,)


def test_packed_files_are_read_as_they_lie_in_firefox_s_repository(tmp_path: Path) -> None:
    write_student(tmp_path / "student")
    import_model(tmp_path / "student", tmp_path / "bundle", ImportOptions(), model_card)
    for path in list((tmp_path / "student").iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    import_model(tmp_path / "student", tmp_path / "other", ImportOptions(), model_card)
    weights = "weights.safetensors"
    assert (tmp_path / "other" / weights).read_bytes() == (tmp_path / "bundle" / weights).read_bytes()
    assert (tmp_path / "other" / "shortlist.safetensors").exists()
    (tmp_path / "student" / "vocab.ende.spm.gz").write_bytes(b"no gzip")
    with pytest.raises(InvalidInputError, match="no gzip, or damaged"):
        import_model(tmp_path / "student", tmp_path / "third", ImportOptions(), model_card)


def test_a_file_may_be_named(tmp_path: Path) -> None:
    folder = write_marian(tmp_path / "marian")
    (folder / "other.npz").write_bytes(b"")
    found = find_format(folder / "model.npz")
    assert (found.format, found.main) == ("marian", "model.npz")
    assert isinstance(found.files, Folder)
    convert(folder / "model.npz", tmp_path / "bundle")


def test_a_bundle_is_not_replaced_unasked(tmp_path: Path) -> None:
    folder = write_marian(tmp_path / "marian")
    convert(folder, tmp_path / "bundle")
    with pytest.raises(InvalidInputError, match="--overwrite"):
        convert(folder, tmp_path / "bundle")
    import_model(folder, tmp_path / "bundle", OPTIONS, model_card, overwrite=True, storage="float16", licence="MIT")
    assert read_config(tmp_path / "bundle").storage == "float16"
    assert "Licence: MIT." in (tmp_path / "bundle" / "README.md").read_text("utf-8")

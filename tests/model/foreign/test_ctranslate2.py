"""Models of CTranslate2, of every version, quantization and variant, become bundles that compute the same."""

import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dragoman.model.bundle import BundleConfig, read_config, read_vocabulary, write_bundle
from dragoman.model.config import ArchitectureConfig, Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.ctranslate2_variables import parse_variables
from dragoman.model.foreign.export import export_ctranslate2
from dragoman.model.foreign.importing import import_model
from dragoman.model.foreign.model import ImportOptions
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.model.weights import read_weights
from dragoman.training.card import model_card
from tests.architectures import transformer_shape
from tests.model.network.variants import VARIANTS
from tests.reference_beam import reference_beam_search

EN_DE = Direction("en", "de")
OPTIONS = ImportOptions(sources=("en",), targets=("de",))
SUMS = 1e-9

Variables = Mapping[str, NDArray[Any]]


def write_random_bundle(folder: Path, vocabulary: Vocabulary, **shape: Any) -> None:
    """A bundle with random weights, en→de."""
    sizes = {"d_model": 16, "d_ff": 32, "num_heads": 2, "num_encoder_layers": 2, "num_decoder_layers": 1}
    architecture = ArchitectureConfig(**(sizes | {"max_target_length": 48} | shape))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Transformer(architecture, vocabulary.shape).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.4 * torch.randn_like(parameter))
    config = BundleConfig(
        name="random",
        directions=(EN_DE,),
        architecture=architecture,
        vocabulary=vocabulary.shape,
        storage="float32",
        num_parameters=num_parameters(network),
    )
    write_bundle(folder, config, vocabulary, pack_weights(network, config.storage), "# random\n")


@pytest.mark.parametrize("name", [name for name, changes in VARIANTS.items() if changes.get("decoder_mixer") != "ssru"])
def test_there_and_back_is_equal_to_the_bit(name: str, tiny_vocabulary: Vocabulary, tmp_path: Path) -> None:
    joint = Vocabulary(tiny_vocabulary.source, tiny_vocabulary.source)
    write_random_bundle(tmp_path / "bundle", joint, **VARIANTS[name])
    export_ctranslate2(tmp_path / "bundle", tmp_path / "model")
    import_model(tmp_path / "model", tmp_path / "back", ImportOptions(sources=("en",), targets=("de",)), model_card)
    before, after = read_config(tmp_path / "bundle"), read_config(tmp_path / "back")
    # Neither dropout nor how far positions would go on is in CTranslate2's files.
    left, right = (
        replace(transformer_shape(info.architecture), dropout=0.1, max_source_length=9, max_target_length=9)
        for info in (before, after)
    )
    assert left == right
    ours, theirs = read_weights(tmp_path / "bundle", before), read_weights(tmp_path / "back", after)
    assert ours.keys() == theirs.keys()
    for key, stored in ours.items():
        rows = len(theirs[key].values)
        assert np.array_equal(stored.values[:rows], theirs[key].values), key
    vocabulary = read_vocabulary(tmp_path / "back", after)
    text = "the sea is calm"
    tagged = joint.frame(EN_DE).enclose(joint.source.encode(text))
    assert vocabulary.frame(EN_DE).enclose(vocabulary.source.encode(text)) == tagged


@pytest.mark.parametrize(
    ("quantization", "storage", "error"),
    [("float16", "float16", 1e-3), ("bfloat16", "float32", 1e-2), ("int16", "float32", 3e-3), ("int8", "int8", 2e-2)],
)
def test_quantizations(
    quantization: Any, storage: str, error: float, tiny_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    write_random_bundle(tmp_path / "bundle", tiny_vocabulary, tied_embeddings="none")
    export_ctranslate2(tmp_path / "bundle", tmp_path / "model", quantization=quantization)
    import_model(tmp_path / "model", tmp_path / "back", OPTIONS, model_card)
    before, after = read_config(tmp_path / "bundle"), read_config(tmp_path / "back")
    assert after.storage == storage
    ours, theirs = read_weights(tmp_path / "bundle", before), read_weights(tmp_path / "back", after)
    for key, stored in ours.items():
        assert theirs[key].as_floats() == pytest.approx(stored.as_floats(), abs=error), key
    if storage == "int8":
        variables, _ = parse_variables((tmp_path / "model" / "model.bin").read_bytes(), "model.bin")
        fused = variables["decoder/layer_0/self_attention/linear_0/weight"]
        assert np.array_equal(theirs["decoder_layers.0.self_attention.key.weight"].values, fused[16:32])


def spec_of(random: np.random.RandomState, num_pieces: int, **kind: Any) -> Any:
    """A model of CTranslate2's own making, with random weights and without a table of positions."""
    from ctranslate2.specs import TransformerSpec

    bias = kind.pop("bias", True)
    attributes = kind.pop("attributes", {})
    spec: Any = TransformerSpec.from_config(2, 2, **kind)
    width, inner = 16, 24

    def fill(linear: Any, rows: int, columns: int) -> None:
        linear.weight = (0.4 * random.standard_normal((rows, columns))).astype(np.float32)
        if bias:
            linear.bias = (0.3 * random.standard_normal(rows)).astype(np.float32)

    def norm(layer_norm: Any) -> None:
        layer_norm.gamma = (1 + 0.3 * random.standard_normal(width)).astype(np.float32)
        layer_norm.beta = (0.3 * random.standard_normal(width)).astype(np.float32)

    for stack in (spec.encoder, spec.decoder):
        for name in ("layer_norm", "layernorm_embedding"):
            if hasattr(stack, name):
                norm(getattr(stack, name))
        for layer in stack.layer:
            attentions: list[tuple[Any, tuple[int, ...]]] = [(layer.self_attention, (3 * width, width))]
            if hasattr(layer, "attention"):
                attentions.append((layer.attention, (width, 2 * width, width)))
            for attention, rows in attentions:
                norm(attention.layer_norm)
                for linear, count in zip(attention.linear, rows, strict=True):
                    fill(linear, count, width)
            norm(layer.ffn.layer_norm)
            fill(layer.ffn.linear_0, inner, width)
            fill(layer.ffn.linear_1, width, inner)
            if hasattr(layer.ffn, "linear_0_noact"):
                fill(layer.ffn.linear_0_noact, inner, width)
    spec.encoder.embeddings[0].weight = (0.6 * random.standard_normal((num_pieces, width))).astype(np.float32)
    spec.decoder.embeddings.weight = (0.6 * random.standard_normal((num_pieces, width))).astype(np.float32)
    fill(spec.decoder.projection, num_pieces, width)
    for name, value in attributes.items():
        stack, _, attribute = name.rpartition("/")
        setattr(getattr(spec, stack), attribute, value)
    return spec


def save_spec(spec: Any, folder: Path, pieces: list[str], serialized: bytes, **config: Any) -> None:
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    for key, value in config.items():
        setattr(spec.config, key, value)
    spec.validate()
    spec.optimize(quantization="float32")
    folder.mkdir()
    spec.save(str(folder))
    (folder / "sentencepiece.model").write_bytes(serialized)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ({}, {}),
        ({"pre_norm": False, "bias": False}, {"add_source_eos": True}),
        ({"no_final_norm": True}, {"add_source_bos": True, "add_source_eos": True}),
        ({"layernorm_embedding": True, "pre_norm": False}, {"layer_norm_epsilon": 1e-3}),
        ({"attributes": {"decoder/start_from_zero_embedding": True}}, {"decoder_start_token": "</s>"}),
        ({"attributes": {"encoder/scale_embeddings": False, "decoder/scale_embeddings": False}}, {}),
        (
            {"attributes": {"encoder/scale_embeddings": np.float32(4), "decoder/scale_embeddings": np.float32(4)}},
            {"decoder_start_token": "</s>"},
        ),
    ],
)
def test_n_best_lists_are_ctranslate2_s(kind: dict[str, Any], config: dict[str, Any], tmp_path: Path) -> None:
    texts = ["the sea is calm", "a ship sails", "calm is the night at sea"]
    model = train_piece_model(texts * 4, PieceModelOptions(size=45, byte_fallback=False), languages=[])
    pieces = ["<unk>", "<s>", "</s>", *model.pieces(range(4, model.size))]
    random = np.random.RandomState(5)
    save_spec(spec_of(random, len(pieces), **kind), tmp_path / "model", pieces, model.serialized, **config)
    import_model(tmp_path / "model", tmp_path / "bundle", OPTIONS, model_card)
    info = read_config(tmp_path / "bundle")
    vocabulary, network = read_vocabulary(tmp_path / "bundle", info), load_network(tmp_path / "bundle", info)
    translator = ctranslate2.Translator(str(tmp_path / "model"), compute_type="float32", intra_threads=1)
    has_own_end = config.get("decoder_start_token") == "</s>" and not config.get("add_source_eos")
    sources = [[*model.pieces(model.encode(text)), *(["</s>"] if has_own_end else [])] for text in texts]
    theirs = translator.translate_batch(
        sources, beam_size=3, num_hypotheses=3, length_penalty=SUMS, max_decoding_length=10, return_scores=True
    )
    options = SearchOptions(beam_size=3, n_best=3, length_penalty=0.0)
    for text, result in zip(texts, theirs, strict=True):
        source_ids = vocabulary.frame(EN_DE).enclose(vocabulary.source.encode(text))
        start = torch.tensor([[vocabulary.shape.start_id]])
        ids = torch.tensor([list(source_ids)])
        with torch.inference_mode():
            logits = network(ids, torch.ones_like(ids, dtype=torch.bool), start)
        # Both exclude the end of sentence at the first position, CTranslate2 before the softmax.
        shared = float(torch.log1p(-logits[0, 0].softmax(dim=0)[vocabulary.shape.eos_id]))
        ours = reference_beam_search(network, source_ids, options, 10)
        assert [list(vocabulary.target.pieces(one.token_ids)) for one in ours] == result.hypotheses
        assert [one.score - shared for one in ours] == pytest.approx(result.scores, abs=2e-3)


def pack_text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def write_old(path: Path, variables: Variables, version: int) -> None:
    """A model.bin of version 1 to 3, which say the size of a number instead of its type."""
    content = struct.pack("<I", version)
    if version > 1:
        content += pack_text("TransformerBig") + struct.pack("<I", 2 if version == 2 else 3)
    content += struct.pack("<I", len(variables))
    for name, values in variables.items():
        content += pack_text(name) + struct.pack("<B", values.ndim) + struct.pack(f"<{values.ndim}I", *values.shape)
        content += struct.pack("<BI", values.dtype.itemsize, values.size) + values.tobytes()
    if version > 2:
        content += (
            struct.pack("<I", 1) + pack_text("decoder/projection/weight") + pack_text("decoder/embeddings/weight")
        )
    path.write_bytes(content)


def old_name(name: str) -> str:
    """A variable's name in the first version."""
    kind, _, rest = name.partition("/")
    rest = rest.replace("self_attention", "multi_head" if kind == "encoder" else "masked_multi_head")
    rest = rest.replace("/attention/", "/multi_head/").replace("embeddings/weight", "w_embs")
    rest = rest.replace("linear_0", "conv1d").replace("linear_", "conv1d_")
    rest = rest.replace("layer_norm", "LayerNorm").replace("projection", "dense").replace("weight", "kernel")
    return f"transformer/{kind}/{rest}:0"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_old_versions(version: int, tmp_path: Path) -> None:
    spec = spec_of(np.random.RandomState(1), 20)
    folder = tmp_path / "model"
    save_spec(spec, folder, [f"x{number}" for number in range(17)] + ["<unk>", "<s>", "</s>"], b"")
    variables, _ = parse_variables((folder / "model.bin").read_bytes(), "model.bin")
    kept = {
        name.replace("embeddings_0", "embeddings"): values
        for name, values in variables.items()
        if values.ndim and not (version == 3 and name == "decoder/projection/weight")
    }
    if version == 3:
        kept["num_heads"] = np.array(2, np.int8)
    write_old(
        folder / "model.bin",
        {old_name(name): values for name, values in kept.items()} if version == 1 else kept,
        version,
    )
    (folder / "config.json").unlink()
    (folder / "sentencepiece.model").unlink()
    import_model(folder, tmp_path / "bundle", OPTIONS, model_card)
    info = read_config(tmp_path / "bundle")
    architecture = transformer_shape(info.architecture)
    assert architecture.num_heads == {1: 8, 2: 16, 3: 2}[version]
    assert architecture.tied_embeddings == ("target" if version == 3 else "none")
    weights = read_weights(tmp_path / "bundle", info)
    fused = variables["encoder/layer_1/self_attention/linear_0/weight"]
    assert np.array_equal(weights["encoder_layers.1.self_attention.value.weight"].values, fused[32:])
    vocabulary = read_vocabulary(tmp_path / "bundle", info)
    assert vocabulary.source.encode("x3 x9 y") == [3, 9, 17]
    assert vocabulary.frame(EN_DE).after == ()


def write_argos(path: Path, folder: Path, top: str = "translate-en_de/", **more: Any) -> Path:
    facts = {"package_version": "1.0", "from_code": "en", "to_code": "de", "target_prefix": ""} | more
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{top}metadata.json", json.dumps(facts))
        archive.writestr(f"{top}sentencepiece.model", (folder / "sentencepiece.model").read_bytes())
        for file in folder.iterdir():
            if file.name != "sentencepiece.model":
                archive.writestr(f"{top}model/{file.name}", file.read_bytes())
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    texts = ["the sea is calm", "a ship sails"] * 4
    model = train_piece_model(texts, PieceModelOptions(size=40, byte_fallback=False), languages=[])
    pieces = ["<unk>", "<s>", "</s>", *model.pieces(range(4, model.size))]
    folder = tmp_path_factory.mktemp("small") / "model"
    save_spec(spec_of(np.random.RandomState(2), len(pieces)), folder, pieces, model.serialized)
    return folder


def test_argos_packages(small: Path, tmp_path: Path) -> None:
    package = write_argos(tmp_path / "en_de.argosmodel", small)
    import_model(package, tmp_path / "bundle", ImportOptions(), model_card)
    info = read_config(tmp_path / "bundle")
    assert info.directions == (EN_DE,)
    vocabulary = read_vocabulary(tmp_path / "bundle", info)
    ids = vocabulary.source.encode("the ship")
    assert vocabulary.source.decode(ids) == "the ship"


def test_an_archive_whose_files_lead_out_is_refused(small: Path, tmp_path: Path) -> None:
    package = write_argos(tmp_path / "x.argosmodel", small)
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("../../etc/evil", b"")
    with pytest.raises(InvalidInputError, match="leads out of it"):
        import_model(package, tmp_path / "bundle", ImportOptions(), model_card)
    assert not (tmp_path / "bundle").exists()


def rewrite(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))


def edit(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(json.loads(content) | changes).encode()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("model.bin", lambda content: content[:-700], "cut short"),
        ("model.bin", lambda content: content[:40], "cut short or damaged"),
        ("model.bin", lambda content: b"\x63" + content[1:], "no model of a known format"),
        ("model.bin", lambda content: content.replace(b"ffn/linear_1", b"fan/linear_1"), "lacks the variable"),
        ("model.bin", lambda content: content.replace(b"TransformerSpec", b"WhisperSpecccca"), "Whisper"),
        ("config.json", lambda content: content[:9], "no JSON"),
        ("config.json", lambda content: b"[]", "no JSON object"),
        ("config.json", edit(decoder_start_token=None), "decoder_start_token is null"),
        ("config.json", edit(decoder_start_token="<start>"), 'is "<start>", which the target vocabulary lacks'),
        ("config.json", edit(quantization_type=1), "quantization_type"),
        ("config.json", edit(layer_norm_epsilon=-1), "norm_epsilon"),
        ("shared_vocabulary.json", lambda content: b'["a"]', "embeddings have"),
        ("shared_vocabulary.json", lambda content: b'{"a": 1}', "no list of pieces"),
        ("sentencepiece.model", lambda content: content[:99], "not a SentencePiece model"),
    ],
)
def test_damaged_files(name: str, change: Callable[[bytes], bytes], message: str, small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in small.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    rewrite(folder, name, change)
    with pytest.raises(InvalidInputError, match=message) as caught:
        import_model(folder, tmp_path / "bundle", OPTIONS, model_card)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "bundle").exists()


def test_a_variant_that_is_not_supported_is_named(tmp_path: Path) -> None:
    spec = spec_of(np.random.RandomState(1), 6, ffn_glu=True)
    save_spec(spec, tmp_path / "model", ["<unk>", "<s>", "</s>", "a", "b", "c"], b"")
    (tmp_path / "model" / "sentencepiece.model").unlink()
    with pytest.raises(InvalidInputError, match="linear_0_noact"):
        import_model(tmp_path / "model", tmp_path / "bundle", OPTIONS, model_card)


def test_languages_of_the_vocabulary_become_directions(tmp_path: Path) -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *"abcde", "__en__", "__de__", "__fr__", "madeupword0"]
    spec = spec_of(np.random.RandomState(1), len(pieces))
    save_spec(spec, tmp_path / "model", pieces, b"", decoder_start_token="</s>")
    (tmp_path / "model" / "sentencepiece.model").unlink()
    import_model(tmp_path / "model", tmp_path / "bundle", ImportOptions(sources=("en",)), model_card)
    info = read_config(tmp_path / "bundle")
    assert [str(direction) for direction in info.directions] == ["en→de", "en→fr"]
    vocabulary = read_vocabulary(tmp_path / "bundle", info)
    frame = vocabulary.frame(EN_DE)
    assert (frame.before, frame.after, frame.target) == ((9,), (2,), (10,))
    assert {0, 1, 3, 9, 10, 11, 12} <= set(vocabulary.forbidden_ids())
    with pytest.raises(InvalidInputError, match="does not know this language; it knows de, en, fr"):
        import_model(tmp_path / "model", tmp_path / "other", ImportOptions(sources=("nl",)), model_card)

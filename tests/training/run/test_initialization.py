"""Fine-tuning: a run that begins where a bundle's training ended."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from dragoman.model.bundle import read_config, read_vocabulary, write_bundle
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.training.config import load_run_config
from dragoman.training.run.initialization import InitialBundle, find_layer, inherit_from_bundle, spread_evenly
from dragoman.training.run.training_run import train
from tests.architectures import transformer_shape

PAIRS = [(f"The number is {number}.", f"Die Zahl ist {number}.") for number in range(40)]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))


def write_config(folder: Path, bundle: Path, tables: str = "", directions: str = '["en-de"]') -> Path:
    for code in ("en", "de", "fr"):
        text = "".join(f"{pair[code != 'en']}\n" for pair in PAIRS)
        (folder / f"text.{code}").write_text(text, encoding="utf-8")
    files = ", ".join(f'{code} = "{folder / f"text.{code}"}"' for code in ("en", "de", "fr"))
    path = folder / "fine.toml"
    path.write_text(
        f"""
        run_folder = "{folder / "run"}"
        initialization.bundle = "{bundle}"
        averaging.checkpoints = 1
        bundle.storage = "float32"
        [data]
        directions = {directions}
        max_length = 50
        train = [{{ {files} }}]
        dev = {{ {files} }}
        [optimization]
        max_updates = 1
        learning_rate = 1e-9
        [validation]
        max_sentences = 2
        beam_size = 1
        {tables}
        """,
        encoding="utf-8",
    )
    return path


def test_a_run_begins_with_the_bundle_s_weights_and_keeps_its_vocabulary(bundle: Path, tmp_path: Path) -> None:
    config = load_run_config(write_config(tmp_path, bundle, "[architecture]\ndropout = 0.3"))
    info = read_config(bundle)
    assert config.architecture == replace(info.architecture, dropout=0.3)

    best = train(config)

    fine = read_config(best)
    assert fine.vocabulary == info.vocabulary
    assert (best / "vocabulary.model").read_bytes() == (bundle / "vocabulary.model").read_bytes()
    weights = dict(load_network(bundle, info).named_parameters())
    for name, weight in load_network(best, fine).named_parameters():  # after one tiny step
        torch.testing.assert_close(weight, weights[name], rtol=0, atol=1e-6)
    assert str(bundle / "weights.safetensors") in fine.provenance["data_checksums"]
    assert f"| began with | {bundle} |" in (best / "README.md").read_text("utf-8").splitlines()

    train(
        config.model_copy(update={"optimization": config.optimization.model_copy(update={"max_updates": 2})}),
        resume=True,
    )


@pytest.fixture
def deep_bundle(bundle: Path) -> Path:
    """Three layers on each side, no two alike."""
    info = read_config(bundle)
    architecture = replace(transformer_shape(info.architecture), num_encoder_layers=3, num_decoder_layers=3)
    torch.manual_seed(3)
    network = Transformer(architecture, info.vocabulary)
    config = replace(info, architecture=architecture, num_parameters=num_parameters(network))
    write_bundle(bundle, config, read_vocabulary(bundle, info), pack_weights(network, "int8"), "# deep\n")
    return bundle


def test_a_shallower_run_begins_with_some_of_the_bundle_s_layers(deep_bundle: Path, tmp_path: Path) -> None:
    tables = "[architecture]\nnum_encoder_layers = 2\nnum_decoder_layers = 1"
    config = load_run_config(write_config(tmp_path, deep_bundle, tables))
    info = read_config(deep_bundle)
    assert config.architecture == replace(
        transformer_shape(info.architecture), num_encoder_layers=2, num_decoder_layers=1
    )

    best = train(config)

    theirs = load_network(deep_bundle, info).state_dict()
    ours = load_network(best, read_config(best)).state_dict()
    kept = {"encoder_layers.1.": "encoder_layers.2."}  # the first stays where it is, and the last becomes the second
    for name, weight in ours.items():  # after one tiny step
        there = next((name.replace(here, there) for here, there in kept.items() if name.startswith(here)), name)
        torch.testing.assert_close(weight, theirs[there], rtol=0, atol=1e-6)


def test_an_ssru_in_the_place_of_self_attention_begins_at_random(deep_bundle: Path, tmp_path: Path) -> None:
    config = load_run_config(write_config(tmp_path, deep_bundle, '[architecture]\ndecoder_mixer = "ssru"'))
    initial = InitialBundle(str(deep_bundle))
    torch.manual_seed(1)
    network = Transformer(transformer_shape(config.architecture), initial.vocabulary.shape).eval()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    network.load_state_dict(initial.initial_weights(network, initial.vocabulary, seed=1))
    theirs = load_network(deep_bundle, initial.info).state_dict()
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, before[name] if ".ssru" in name else theirs[name])
    assert sum(".ssru" in name for name in before) == 3 * 5


@pytest.mark.parametrize("deeper", ["num_encoder_layers = 5", "num_decoder_layers = 4", "d_ff = 48"])
def test_a_larger_run_begins_with_the_bundle_s_function(deep_bundle: Path, tmp_path: Path, deeper: str) -> None:
    config = load_run_config(write_config(tmp_path, deep_bundle, f"[architecture]\n{deeper}"))
    initial = InitialBundle(str(deep_bundle))
    torch.manual_seed(1)
    larger = Transformer(transformer_shape(config.architecture), initial.vocabulary.shape).eval()
    larger.load_state_dict(initial.initial_weights(larger, initial.vocabulary, seed=1))

    theirs = load_network(deep_bundle, initial.info)

    assert num_parameters(larger) > num_parameters(theirs)
    source, target = torch.tensor([[4, 40, 50, 60, 3]]), torch.tensor([[2, 70, 80]])
    with torch.no_grad():
        torch.testing.assert_close(
            larger(source, source > 0, target), theirs(source, source > 0, target), rtol=0, atol=1e-5
        )


def test_new_layers_stand_between_the_bundle_s() -> None:
    assert [find_layer(layer, 6, 8) for layer in range(8)] == [
        (0, False),
        (1, False),
        (1, True),
        (2, False),
        (3, False),
        (3, True),
        (4, False),
        (5, False),
    ]
    assert [find_layer(layer, 1, 3) for layer in range(3)] == [(0, False), (0, True), (0, True)]
    assert [find_layer(layer, 6, 2) for layer in range(2)] == [(0, False), (5, False)]


@pytest.mark.parametrize("way", ["extend", "replace"])
def test_a_run_has_new_pieces_behind_or_instead_of_the_bundle_s(bundle: Path, tmp_path: Path, way: str) -> None:
    tables = "[vocabulary]\nsize = 420\nstand_ins = 3\nsplit_digits = true\ncharacter_coverage = 1.0"
    path = write_config(tmp_path, bundle, tables)
    path.write_text(f'initialization.vocabulary = "{way}"\n{path.read_text("utf-8")}', "utf-8")
    config = load_run_config(path)
    info = read_config(bundle)
    theirs = read_vocabulary(bundle, info).source

    best = train(config)

    fine = read_config(best)
    ours = read_vocabulary(best, fine).source
    assert ours.pieces(ours.encode("⟦1⟧ ⟦3⟧ 12")) == ("▁", "⟦1⟧", "▁", "⟦3⟧", "▁", "1", "2")
    before, after = (load_network(folder, read_config(folder)).state_dict() for folder in (bundle, best))
    for name in ("source_embedding.weight", "target_embedding.weight", "output_projection.weight"):
        assert len(after[name]) == ours.size
        for piece in ("e", "<2de>", "</s>"):  # after one tiny step
            old, new = theirs.piece_id(piece), ours.piece_id(piece)
            torch.testing.assert_close(after[name][new], before[name][old], rtol=0, atol=1e-6)
    if way == "extend":
        assert ours.pieces(range(theirs.size)) == theirs.pieces(range(theirs.size))
    train(
        config.model_copy(update={"optimization": config.optimization.model_copy(update={"max_updates": 2})}),
        resume=True,
    )


def test_layers_keep_their_order_and_spread_from_the_first_to_the_last() -> None:
    assert spread_evenly(6, 1) == [0]
    assert spread_evenly(6, 2) == [0, 5]
    assert spread_evenly(12, 3) == [0, 6, 11]
    for num_layers in range(2, 25):
        for num_kept in range(2, num_layers + 1):
            kept = spread_evenly(num_layers, num_kept)
            assert (kept[0], kept[-1]) == (0, num_layers - 1)
            gaps = {after - before for before, after in pairwise(kept)}
            assert max(gaps) - min(gaps) <= 1
            assert min(gaps) >= 1


def test_what_a_run_began_with_is_kept_where_nothing_better_comes(bundle: Path, tmp_path: Path) -> None:
    config = load_run_config(write_config(tmp_path, bundle), ["optimization.learning_rate=1.0"])
    best = train(config)

    assert read_config(best).provenance["updates"] == 0
    weights = dict(load_network(bundle, read_config(bundle)).named_parameters())
    for name, weight in load_network(best, read_config(best)).named_parameters():
        assert torch.equal(weight, weights[name])
    lines = [json.loads(line) for line in (config.run_folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [line["update"] for line in lines if line["kind"] == "validation"] == [0, 1]


def test_another_bundle_of_the_same_name_is_not_resumed_with(bundle: Path, tmp_path: Path) -> None:
    config = load_run_config(write_config(tmp_path, bundle))
    train(config)
    weights = bundle / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"weights\.safetensors: has changed since the run began"):
        train(config, resume=True)


def test_a_shipped_bundle_s_checksum_has_no_path_of_this_machine() -> None:
    """A run may go on where the package lies elsewhere, and a published bundle's provenance names no folder."""
    assert list(InitialBundle("en-de").checksum()) == ["en-de/weights.safetensors"]


def test_a_direction_that_the_vocabulary_has_no_tag_for_is_named(bundle: Path, tmp_path: Path) -> None:
    config = load_run_config(write_config(tmp_path, bundle, directions='["en-de", "en-fr"]'))
    with pytest.raises(InvalidInputError, match=r'data\.directions: en→fr: .* no tag for "fr", only for de, en'):
        train(config)


@pytest.mark.parametrize("kind", ["extend", "replace"])
def test_another_vocabulary_has_the_tags_of_new_languages(bundle: Path, tmp_path: Path, kind: str) -> None:
    """A language that the bundle has never seen: its text and its tag are new, the network is not."""
    path = write_config(tmp_path, bundle, '[vocabulary]\nsize = 420\ntype = "bpe"', '["en-fr", "fr-en"]')
    path.write_text(f'initialization.vocabulary = "{kind}"\n{path.read_text("utf-8")}', encoding="utf-8")
    config = load_run_config(path)
    best = train(config)
    assert {str(direction) for direction in read_config(best).directions} == {"en→fr", "fr→en"}
    theirs, ours = load_network(bundle, read_config(bundle)), load_network(best, read_config(best))
    torch.testing.assert_close(
        ours.state_dict()["encoder_layers.0.feed_forward.inner.weight"],
        theirs.state_dict()["encoder_layers.0.feed_forward.inner.weight"],
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ("[vocabulary]\nsize = 400", "vocabulary: the run begins with the bundle .* keeps its vocabulary: leave this"),
        (
            "[architecture]\nd_ff = 16",
            "architecture.d_ff: is 16, but the bundle .* has 32: leave the key out, or say more",
        ),
        ("[architecture]\nd_key = 16", "architecture.d_key: is 16, but the bundle .* has 8: leave the key out$"),
        ("[architecture]\nnum_encoder_layers = 0", r"architecture\.num_encoder_layers: .*greater than or equal to 1"),
        ('[architecture]\nnormalization = "post"', "architecture.normalization: is post, but the bundle .* has pre"),
        ("[architecture]\nd_fff = 64", "architecture.d_fff: unknown key"),
    ],
)
def test_what_contradicts_the_bundle_is_named(bundle: Path, tmp_path: Path, tables: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_run_config(write_config(tmp_path, bundle, tables))


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r'initialization\.bundle: there is no bundle "nowhere"'):
        inherit_from_bundle({"initialization": {"bundle": "nowhere"}})


@pytest.mark.parametrize("tree", [{}, {"initialization": 5}, {"initialization": {"bundle": 5}}])
def test_without_a_bundle_nothing_is_inherited(tree: dict[str, Any]) -> None:
    assert inherit_from_bundle(tree) == tree


def test_directions_between_the_bundle_s_languages_are_welcome(bundle: Path) -> None:
    InitialBundle(str(bundle)).check_directions([Direction("fr", "de"), Direction("de", "en")])

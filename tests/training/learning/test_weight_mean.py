"""The mean of the weights of several bundles."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from dragoman.command_line import make_app
from dragoman.model.bundle import BundleConfig, Storage, read_config, read_vocabulary, write_bundle
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.training.learning.averaging import average_bundles, share_their_origin
from dragoman.translation.translator import Translator
from tests.architectures import transformer_shape

Variant = Callable[..., str]


@pytest.fixture
def variant(tiny_bundle: Path, tmp_path: Path) -> Variant:
    """Another tiny bundle with the same vocabulary: random weights, and what is to be other."""

    def make(
        name: str,
        seed: int,
        *,
        architecture: dict[str, Any] | None = None,
        packed: Storage = "float32",
        **changes: Any,
    ) -> str:
        info = read_config(tiny_bundle)
        shape = replace(transformer_shape(info.architecture), **(architecture or {}))
        torch.manual_seed(seed)
        weights = pack_weights(Transformer(shape, info.vocabulary), packed)
        changed = replace(info, name=name, architecture=shape, storage=packed, **changes)
        folder = tmp_path / name
        write_bundle(folder, changed, read_vocabulary(tiny_bundle, info), weights, f"# {name}\n")
        return str(folder)

    return make


def weights_of(folder: str | Path) -> dict[str, torch.Tensor]:
    return dict(load_network(Path(folder), read_config(Path(folder))).named_parameters())


def test_each_weight_is_the_mean(variant: Variant, tmp_path: Path) -> None:
    names = [variant(f"part{seed}", seed) for seed in range(3)]
    info = average_bundles(names, tmp_path / "mean", "float32")
    parts = [weights_of(name) for name in names]
    for name, weight in weights_of(tmp_path / "mean").items():
        torch.testing.assert_close(weight, sum(part[name] for part in parts) / 3)
    assert (info.name, info.scores) == ("part0", ())
    assert read_config(tmp_path / "mean") == info


def test_the_mean_of_a_bundle_with_itself_translates_as_it_does(variant: Variant, tmp_path: Path) -> None:
    name = variant("part", 1)
    average_bundles([name, name], tmp_path / "mean", "float32")
    texts = ["the cat sleeps", "a dog"]
    alone, mean = (
        Translator.load(str(folder), precision="float32").translate(texts, "de") for folder in (name, tmp_path / "mean")
    )
    assert [translation.text for translation in mean] == [translation.text for translation in alone]


def test_it_tells_where_it_came_from(variant: Variant, tmp_path: Path) -> None:
    first = variant("a", 1, provenance={"data": "Corpus A.", "licence": "MIT", "sentence_pairs": 7})
    second = variant("b", 2, provenance={"data": "Corpus B.", "licence": "MIT", "sentence_pairs": 9})
    provenance = average_bundles([first, second], tmp_path / "mean", "int8").provenance
    assert (provenance["data"], provenance["licence"]) == ("Corpus A. Corpus B.", "MIT")
    assert [part["bundle"] for part in provenance["mean_of"]] == [first, second]
    assert provenance["mean_of"][1]["provenance"]["sentence_pairs"] == 9
    card = (tmp_path / "mean" / "README.md").read_text("utf-8")
    assert f"| mean of the weights of | {first}, {second} |" in card.splitlines()
    assert "stored as int8" in card


def test_dropout_may_differ_and_the_shorter_limit_holds(variant: Variant, tmp_path: Path) -> None:
    other = variant("b", 2, architecture={"dropout": 0.5, "max_source_length": 32})
    info = average_bundles([variant("a", 1), other], tmp_path / "mean", "float32")
    assert info.architecture.source_limit == 32


@pytest.mark.parametrize("storage", ["int8", "float16"])
@pytest.mark.parametrize("tied", ["all", "target"])
def test_tied_and_packed_weights(variant: Variant, tmp_path: Path, tied: str, storage: Storage) -> None:
    names = [variant(f"part{seed}", seed, architecture={"tied_embeddings": tied}, packed=storage) for seed in (1, 2)]
    average_bundles(names, tmp_path / "mean", "float32")
    parts = [weights_of(name) for name in names]
    for name, weight in weights_of(tmp_path / "mean").items():
        torch.testing.assert_close(weight, sum(part[name] for part in parts) / 2)


@pytest.mark.parametrize("odd", [{"sentence_pairs": None}, {"sentence_pairs": "many"}, {"run": 5}, {}])
def test_provenance_may_hold_anything(variant: Variant, tmp_path: Path, odd: dict[str, Any]) -> None:
    names = [variant("a", 1, provenance=odd), variant("b", 2, provenance=odd)]
    average_bundles(names, tmp_path / "mean", "float32")
    assert "\n0 pairs after encoding" in (tmp_path / "mean" / "README.md").read_text("utf-8")


def test_directions_that_all_have(variant: Variant, tmp_path: Path) -> None:
    one_way = variant("b", 2, directions=(Direction("de", "en"),))
    assert average_bundles([variant("a", 1), one_way], tmp_path / "mean", "float32").directions == (
        Direction("de", "en"),
    )


def test_no_bundle_that_is_needed_is_written_over(variant: Variant, tmp_path: Path) -> None:
    first, second = variant("a", 1), variant("b", 2)
    for output in (tmp_path / "a", tmp_path / "b" / ".." / "a", tmp_path / "b" / "mean", tmp_path):
        with pytest.raises(InvalidInputError, match="would be written over"):
            average_bundles([first, second], output, "float32")
    assert read_config(Path(first)).name == "a"


def test_whether_they_were_fine_tuned_from_the_same(tiny_bundle: Path) -> None:
    def tuned(bundle: str, checksum: str) -> BundleConfig:
        run = {"initialization": {"bundle": bundle}}
        checksums = {f"{bundle}/weights.safetensors": checksum}
        return replace(read_config(tiny_bundle), provenance={"run": run, "data_checksums": checksums})

    assert share_their_origin([tuned("base", "01"), tuned("base", "01")])
    assert not share_their_origin([tuned("base", "01"), tuned("base", "02")])
    assert not share_their_origin([tuned("base", "01"), tuned("other", "01")])
    assert not share_their_origin([read_config(tiny_bundle)] * 2)


def test_what_has_no_mean(variant: Variant, tmp_path: Path) -> None:
    first = variant("a", 1)
    with pytest.raises(InvalidInputError, match="two bundles or more"):
        average_bundles([first], tmp_path / "mean", "float32")
    with pytest.raises(InvalidInputError, match=r"a and .*b have no mean: architecture\.d_ff is 32 and 64"):
        average_bundles([first, variant("b", 2, architecture={"d_ff": 64})], tmp_path / "mean", "float32")
    assert not (tmp_path / "mean").exists()


def test_the_command(variant: Variant, tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "there")
    command = ["average", variant("a", 1), variant("b", 2), "--output", str(tmp_path / "there")]
    refused = CliRunner().invoke(make_app(), command)
    assert isinstance(refused.exception, InvalidInputError)
    assert "there: exists already; choose another name, or --overwrite it" in str(refused.exception)
    outcome = CliRunner().invoke(make_app(), [*command, "--overwrite"])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout == f"{tmp_path / 'there'}: a, the mean of 2 bundles\n"
    assert "the bundles name no common origin" in outcome.stderr
    assert read_config(tmp_path / "there").storage == "float16"

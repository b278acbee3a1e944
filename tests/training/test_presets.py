"""Sizes by the number of pairs, for keys that nobody gives."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from dragoman.training.config import RunConfig, load_run_config
from dragoman.training.presets import PRESETS, QUICK, choose_preset, complete_by_size, shorten, values_for
from tests.architectures import transformer_shape

DATA = '[data]\ndirections = ["en-de"]\ndev = { en = "d.en", de = "d.de" }\n[[data.train]]\nen = "%s"\nde = "t.de"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration with nothing but its data: 2,500 pairs."""
    (tmp_path / "t.en").write_text("a house\n" * 2500, encoding="utf-8")
    path = tmp_path / "run.toml"
    path.write_text(DATA % (tmp_path / "t.en"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("pairs", "size"), [(1, 2_000), (6_000, 2_000), (7_000, 20_000), (60_000, 20_000), (10**9, 20_000_000)]
)
def test_the_nearest_preset_by_ratio(pairs: int, size: int) -> None:
    assert choose_preset(pairs).pairs == size


@pytest.mark.parametrize(
    "preset", [*PRESETS, QUICK], ids=lambda preset: str(preset.values["optimization"]["max_updates"])
)
def test_each_preset_is_a_configuration(preset: Any, path: Path) -> None:
    config = load_run_config(path)
    tables = {table: dict(keys) for table, keys in preset.values.items()}
    run = RunConfig.model_validate({"run_folder": path.parent, "data": config.data.model_dump(), **tables})
    assert run.optimization.warmup_updates < run.optimization.max_updates / 5
    assert run.averaging.ema_decay > 0


def test_a_configuration_with_nothing_but_data_gets_sizes_for_its_pairs(path: Path) -> None:
    said: list[str] = []
    config = load_run_config(path, say=said.append)
    wanted = values_for(2500)
    for table, keys in wanted.items():
        assert {key: getattr(getattr(config, table), key) for key in keys} == keys
    assert config.optimization.warmup_updates < config.optimization.max_updates / 5
    assert config.validation.every == config.optimization.checkpoint_every < config.optimization.max_updates / 10
    (sentence,) = said
    assert sentence.startswith("not configured, so chosen for 2,500 pairs: [vocabulary] size ")
    assert f"d_model {wanted['architecture']['d_model']}" in sentence


def test_a_compressed_corpus_is_counted(path: Path, tmp_path: Path) -> None:
    (tmp_path / "t.en.gz").write_bytes(gzip.compress(b"a house\n" * 30_000))
    config = load_run_config(path, [f"data.train.0.en={tmp_path / 't.en.gz'}"])
    assert (
        transformer_shape(config.architecture).num_decoder_layers
        == values_for(30_000)["architecture"]["num_decoder_layers"]
    )
    assert config.vocabulary.size == values_for(30_000)["vocabulary"]["size"]


def test_what_is_given_stays_and_decides_about_what_belongs_to_it(path: Path) -> None:
    overrides = ("architecture.d_model=64", "optimization.optimizer=adamw", "averaging.checkpoints=3",
                 "optimization.warmup_updates=7", "validation.every=40", "architecture.dropout=0.2")  # fmt: skip
    config = load_run_config(path, overrides)
    architecture = transformer_shape(config.architecture)
    assert (architecture.d_model, architecture.d_ff, architecture.dropout) == (64, 2048, 0.2)
    assert architecture.attention_dropout == 0
    assert (config.optimization.optimizer, config.optimization.learning_rate) == ("adamw", 1e-3)
    assert config.optimization.warmup_updates == 7
    assert (config.averaging.checkpoints, config.averaging.ema_decay) == (3, 0)
    assert (config.validation.every, config.optimization.checkpoint_every) == (40, 500)


@pytest.mark.parametrize("given", ["learning_rate=2e-3", "adam_beta2=0.99", "adam_epsilon=1e-6"])
def test_settings_of_the_optimizer_keep_the_one_that_they_were_made_for(path: Path, given: str) -> None:
    config = load_run_config(path, [f"optimization.{given}"])
    assert config.optimization.optimizer == "adamw"
    assert config.optimization.learning_rate == (2e-3 if "learning_rate" in given else 1e-3)


def test_a_corpus_with_a_name_is_counted(path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace("[[data.train]]", '[[data.train]]\nname = "mine"'), "utf-8")
    assert load_run_config(path).vocabulary.size == values_for(2500)["vocabulary"]["size"]


def test_a_corpus_is_not_read_where_all_that_depends_on_it_is_given() -> None:
    tree: dict[str, Any] = {"data": {"directions": ["en-de"], "train": [{"en": "missing", "de": "missing"}]}}
    assert complete_by_size(tree | values_for(2_000)).startswith("not configured, so chosen: [optimization]")
    assert complete_by_size(tree) == ""


def test_a_short_run_validates_now_and_then(path: Path) -> None:
    assert load_run_config(path, ["optimization.max_updates=20"]).validation.every == 20
    assert load_run_config(path, ["optimization.max_updates=400"]).validation.every == 50
    assert load_run_config(path, ["optimization.max_updates=3200"]).validation.every == 200


def test_a_short_run_averages_over_a_fifth_of_it_at_most() -> None:
    values = values_for(200_000)
    whole = values["averaging"]["ema_decay"]
    shorten(values, 10**6)
    assert (values["optimization"]["max_updates"], values["averaging"]["ema_decay"]) == (5_000, whole)
    shorten(values, 500)
    assert (values["optimization"]["max_updates"], values["averaging"]["ema_decay"]) == (500, 0.99)
    shorten(values, 10)
    assert values["averaging"]["ema_decay"] == 0.5


def test_the_vocabulary_is_no_larger_than_the_pairs_can_fill() -> None:
    assert values_for(300)["vocabulary"]["size"] == 400
    assert values_for(2_000)["vocabulary"]["size"] <= 1_000


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"data": 3},
        {"data": {"train": [{"en": "nowhere.en", "de": "nowhere.de"}]}},
        {"data": {"train": [{"repeat": 2}]}},
        {"data": {"train": "t.en"}},
        {"initialization": {"bundle": "en-de"}, "data": {"train": [{"en": __file__}]}},
        {"architecture": 7, "data": {"train": [{"en": __file__}]}},
    ],
)
def test_nothing_is_chosen_where_the_size_is_not_known_or_not_asked_for(tree: dict[str, Any]) -> None:
    before = repr(tree)
    assert complete_by_size(tree) == ""
    assert repr(tree) == before


def test_languages_of_many_characters_get_room_for_them_and_a_tokenizer(path: Path) -> None:
    config = load_run_config(path, ['data.directions=["en-zh"]', "data.dev.zh=d.zh", "data.train.0.zh=t.zh"])
    assert config.vocabulary.size == 4000
    assert config.validation.tokenize == "zh"
    assert load_run_config(path).validation.tokenize == "13a"

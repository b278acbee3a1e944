"""The run configuration: what is written in TOML or given by --set, and how each mistake is named."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import dragoman.training
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.config import RunConfig, load_begun_config, load_run_config
from tests.architectures import transformer_shape

CONFIGS = sorted((Path(dragoman.training.__file__).parent / "configs").glob("*.toml"))

QUICKSTART = next(path for path in CONFIGS if path.stem == "quickstart")

CONFIG = """
run_folder = "runs/test"
[data]
directions = ["en-de", "de-en"]
max_length = 50
[[data.train]]
en = "train.en"
de = "train.de"
[data.dev]
en = "dev.en"
de = "dev.de"
[architecture]
d_model = 32
num_heads = 4
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def refuse(path: Path, *overrides: str) -> str:
    """The message with which a configuration is refused."""
    with pytest.raises(InvalidInputError) as caught:
        load_run_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def load_shipped(shipped: Path) -> tuple[RunConfig, dict[str, Any]]:
    """A configuration, beginning with a bundle that is there instead of another run's, and what is written in it."""
    written = tomllib.loads(shipped.read_text(encoding="utf-8"))
    return load_run_config(shipped, ["initialization.bundle=en-de"] if "initialization" in written else []), written


@pytest.mark.parametrize("shipped", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_configurations_load(shipped: Path) -> None:
    config, written = load_shipped(shipped)
    begun_with = Path(written.get("initialization", {"bundle": "en-de"})["bundle"])
    if str(begun_with) != "en-de":  # which is shipped
        first, _ = load_shipped(shipped.with_name(f"{begun_with.parent.name}.toml"))
        assert begun_with == first.run_folder / "best"
        grows = written["initialization"].get("vocabulary") == "extend"
        for key, value in written["architecture"].items():
            before = getattr(first.architecture, key, 0)
            assert "dropout" in key or (key.startswith("num_") and (value >= before if grows else value <= before))

    assert config.run_folder == Path("runs") / shipped.stem
    assert config.bundle.name == shipped.stem
    target = {"lm-en": "en", "multi30k-en-fr": "fr"}.get(shipped.stem, "de")
    source = "en"
    if shipped.stem.startswith("small-corpus"):
        source, target = "chr", "en"
    assert Direction(source, target) in config.data.parsed_directions


def test_there_are_shipped_configurations() -> None:
    assert {"en-de", "quickstart"} <= {path.stem for path in CONFIGS}


def test_what_is_not_said_has_its_default(path: Path) -> None:
    config = load_run_config(path)

    assert config.data.parsed_directions == (Direction("en", "de"), Direction("de", "en"))
    assert config.data.languages == ("de", "en")
    assert [corpus.files for corpus in config.data.train] == [{"en": Path("train.en"), "de": Path("train.de")}]
    assert config.data.train[0].repeat == 1
    assert (transformer_shape(config.architecture).d_key, transformer_shape(config.architecture).d_value) == (8, 8)
    assert config.vocabulary.size == 8000
    assert config.optimization.batch_tokens == 4096


def test_the_run_folder_is_named_after_the_file(path: Path) -> None:
    path.write_text(CONFIG.replace('run_folder = "runs/test"', ""), encoding="utf-8")
    assert load_run_config(path).run_folder == Path("runs/small")


def test_a_configuration_survives_json(path: Path) -> None:
    config = load_run_config(path)
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_a_configuration_cannot_be_changed(path: Path) -> None:
    config = load_run_config(path)
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        config.optimization.max_updates = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "key", "reason"),
    [
        ("seeed=1", "seeed", "unknown key"),
        ("optimization.max_update=5", "optimization.max_update", "unknown key"),
        ("architecture.d_modell=64", "architecture.d_modell", "unknown key"),
        ("optimization.max_updates=fast", "optimization.max_updates", "valid integer"),
        ('optimization.max_updates="5"', "optimization.max_updates", "valid integer"),
        ("optimization.max_updates=1.5", "optimization.max_updates", "valid integer"),
        ("optimization.max_updates=true", "optimization.max_updates", "valid integer"),
        ("objective.label_smoothing=1.0", "objective.label_smoothing", "less than 1"),
        ("optimization.learning_rate=nan", "optimization.learning_rate", "greater than 0"),
        ("optimization.precision=fp16", "optimization.precision", "'bfloat16' or 'float32'"),
        ("vocabulary.type=word", "vocabulary.type", "'unigram' or 'bpe'"),
        ("run_folder=5", "run_folder", "should be a path"),
        ("data.train.0.en=5", "data.train.0.en", "should be a path"),
        ("data.directions=en-de", "data.directions", "should be a list, in square brackets"),
        ("data.train=5", "data.train", "should be a list, in square brackets"),
        ("data.train.0=5", "data.train.0", "should be a table"),
        ("data.dev=dev.en", "data.dev", "should be a table"),
        ("optimization=fast", "optimization", "should be a table"),
        ("data.directions=[]", "data.directions", "at least 1"),
        ("validation.beam_size=33", "validation.beam_size", "less than or equal to 32"),
        ("validation.tokenize=klingon", "validation.tokenize", "unknown tokenizer 'klingon'; sacreBLEU has"),
        ("bundle.name=a/b", "bundle.name", "pattern"),
        # A rule for several keys of a table names the table.
        ('data.directions=["ende"]', "data", '"ende" is no translation direction'),
        ('data.directions=["en-fr"]', "data", "no corpus in train has both languages of en→fr"),
        ('data.directions=["en-de", "en→de"]', "data", "en→de is listed twice"),
        ('data.dev={en="dev.en"}', "data", "dev lacks a language of en→de"),
        ("data.grammar.sentences=1000", "data.grammar", "unknown key"),
        ("vocabulary.target_file=de.model", "vocabulary", "target_file needs source_file"),
        ("architecture.num_heads=5", "architecture", "d_model 32 is no multiple of num_heads 5"),
    ],
)
def test_a_mistake_is_told_with_file_and_dotted_key(path: Path, override: str, key: str, reason: str) -> None:
    message = refuse(path, override)

    assert message.startswith(f"{path}: {key}: ")
    assert reason in message


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["data.max_length=255"], "data.max_length 255 does not fit the architecture, with room for 254 pieces"),
        (["architecture.max_source_length=51"], "data.max_length 50 does not fit the architecture, with room for 49"),
        (["architecture.max_target_length=50"], "data.max_length 50 does not fit the architecture, with room for 49"),
        (["vocabulary.joint=false"], 'architecture.tied_embeddings = "all" needs vocabulary.joint = true'),
        (
            ["vocabulary.joint=false", "vocabulary.source_file=a", "architecture.tied_embeddings=target"],
            "vocabulary: source_file with joint = false needs target_file too",
        ),
    ],
)
def test_tables_that_disagree_are_told(path: Path, overrides: list[str], reason: str) -> None:
    assert refuse(path, *overrides).startswith(f"{path}: {reason}")


def test_limits_that_just_fit_are_taken(path: Path) -> None:
    load_run_config(path, ["data.max_length=254"])
    load_run_config(path, ["architecture.max_source_length=52", "architecture.max_target_length=51"])


def test_all_mistakes_are_told_at_once(path: Path) -> None:
    message = refuse(path, "sead=1", "optimization.accumulation=0")
    assert "sead: unknown key" in message
    assert "optimization.accumulation: " in message


@pytest.mark.parametrize(
    ("override", "dotted", "value"),
    [
        ("optimization.max_updates=2000", "optimization.max_updates", 2000),
        ("optimization.learning_rate=2e-3", "optimization.learning_rate", 0.002),
        ("optimization.learning_rate=1", "optimization.learning_rate", 1.0),
        ("vocabulary.joint = true", "vocabulary.joint", True),
        ("vocabulary.type=bpe", "vocabulary.type", "bpe"),
        ("run_folder=runs/two words", "run_folder", Path("runs/two words")),
        ('run_folder="runs/quoted"', "run_folder", Path("runs/quoted")),
        ("bundle.description=a = b", "bundle.description", "a = b"),
        ("bundle.description=", "bundle.description", ""),
        ("seed=3", "seed", 3),
        ('data.directions=["de-en"]', "data.directions", ("de-en",)),
        ("data.train.0.en=other.en.gz", "data.train.0.en", Path("other.en.gz")),
        ("data.train.0.fr=train.fr", "data.train.0.fr", Path("train.fr")),
        ("data.dev.en=new.en", "data.dev.en", Path("new.en")),
    ],
)
def test_set_overrides_a_key(path: Path, override: str, dotted: str, value: object) -> None:
    node: object = load_run_config(path, [override])
    for name in dotted.split("."):
        match node:
            case dict():
                node = node[name]
            case tuple():
                node = node[int(name)]
            case _:
                node = getattr(node, name)
    assert node == value
    assert type(node) is type(value) or isinstance(value, Path)


def test_set_changes_one_place_of_a_list(path: Path) -> None:
    config = load_run_config(path, ["data.directions=[1, 2]", "data.directions.0=de-en", "data.directions.1=en-de"])
    assert config.data.directions == ("de-en", "en-de")


def test_the_last_of_several_overrides_counts(path: Path) -> None:
    assert load_run_config(path, ["seed=5", "seed=6"]).seed == 6


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("seed", 'write it like "optimization.max_updates=2000"'),
        ("=5", 'write it like "optimization.max_updates=2000"'),
        ("seed.more=5", "seed is no table"),
        ("run_folder.x.y=5", "run_folder is no table"),
        ("data.train.1.en=x", "there is no data.train.1"),
        ("data.train.first.en=x", "there is no data.train.first"),
        ("data.directions.2=en-de", "no such place in the list"),
        ("data.directions.x=en-de", "no such place in the list"),
    ],
)
def test_an_override_that_fits_nowhere_is_refused(path: Path, override: str, reason: str) -> None:
    path.write_text("seed = 1\n" + CONFIG, encoding="utf-8")
    message = refuse(path, override)
    assert message.startswith("--set ")
    assert reason in message


@given(st.text(max_size=20))
@settings(deadline=None)
def test_any_override_is_taken_or_refused(override: str) -> None:
    with suppress(InvalidInputError):
        load_run_config(QUICKSTART, [override])


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=re.escape(f"{tmp_path / 'none.toml'}: no such file")):
        load_run_config(tmp_path / "none.toml")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    assert refuse(tmp_path).startswith(f"{tmp_path}: ")


@pytest.mark.parametrize("content", [b"seed = \n", b"[data\n", b"seed = 1\nseed = 2\n", b'name = "\xff"\n'])
def test_what_is_no_toml_is_refused_with_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    assert refuse(path).startswith(f"{path}: not TOML: ")


def test_an_empty_file_lacks_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert "data: Field required" in refuse(path)


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("data.max_lenght=3", "data.max_length"),
        ("optimization.dropout=0.2", "architecture.dropout"),
        ("max_updates=3", "optimization.max_updates"),
        ("architecture.encoder_layers=3", "architecture.num_encoder_layers"),
    ],
)
def test_an_unknown_key_gets_the_nearest_one(path: Path, override: str, near: str) -> None:
    assert f"{override.split('=')[0]}: unknown key, perhaps {near}" in refuse(path, override)


def test_a_key_that_resembles_none_gets_no_suggestion(path: Path) -> None:
    assert refuse(path, "optimization.xyzzy=1").endswith("optimization.xyzzy: unknown key")


def test_the_warm_up_is_a_share_of_the_run(path: Path) -> None:
    assert load_run_config(path).optimization.warmup_updates == 4000
    assert load_run_config(path, ["optimization.max_updates=500"]).optimization.warmup_updates == 20
    overrides = ["optimization.max_updates=500", "optimization.warmup_share=0.1"]
    assert load_run_config(path, overrides).optimization.warmup_updates == 50
    assert load_run_config(path, ["optimization.warmup_updates=7"]).optimization.warmup_updates == 7
    assert "optimization.warmup_share: " in refuse(path, "optimization.warmup_share=2")


@pytest.mark.parametrize(
    ("given", "overrides", "warmup"),
    [
        ([], ["optimization.max_updates=1000"], 40),
        ([], ["optimization.max_updates=1000", "optimization.warmup_updates=9"], 9),
        ([], ["optimization.batch_tokens=512"], 4000),
        (["optimization.warmup_updates=70"], ["optimization.max_updates=1000"], 70),
    ],
)
def test_a_begun_run_of_another_length_warms_up_for_the_same_share(
    path: Path, tmp_path: Path, given: list[str], overrides: list[str], warmup: int
) -> None:
    config = load_run_config(path, given)
    (tmp_path / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
    assert load_begun_config(tmp_path, overrides).optimization.warmup_updates == warmup

"""What a run trains on, as configured: corpora with their files, how often they count, how text is cut into pieces."""

from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.training.config import RunConfig, load_run_config
from dragoman.training.presets import PRESETS

CONFIG = """
[data]
directions = ["en-de"]
[[data.train]]
en = "a.en"
de = "a.de"
[[data.train]]
en = "b.en"
de = "b.de"
fr = "b.fr"
repeat = 3
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


def test_a_corpus_has_files_and_a_number_of_repeats(path: Path) -> None:
    first, second = load_run_config(path, ["data.train.0.en=other.en"]).data.train

    assert first.files == {"en": Path("other.en"), "de": Path("a.de")}
    assert first.repeat == 1
    assert second.files == {"en": Path("b.en"), "de": Path("b.de"), "fr": Path("b.fr")}
    assert second.repeat == 3


BOTH_WAYS = CONFIG.replace('directions = ["en-de"]', 'directions = ["en-de", "de-en"]', 1)


def test_languages_have_names_in_any_case(path: Path) -> None:
    plain = load_run_config(path, ["data.train.1.directions=['en→de']"])
    path.write_text(
        CONFIG.replace('"en-de"', '"English→DE"').replace("\nen =", "\nEnglish =").replace("\nde =", "\nDE =")
    )
    assert load_run_config(path, ["data.train.1.directions=['english-german']"]).data.model_dump() == {
        **plain.data.model_dump(),
        "directions": ("en→de",),
    }


def test_a_corpus_may_be_for_some_of_the_directions(path: Path) -> None:
    path.write_text(BOTH_WAYS.replace("repeat = 3", 'directions = ["de-en"]'), encoding="utf-8")
    data = load_run_config(path).data
    first, second = data.train
    assert first.taught(data.parsed_directions) == [Direction("en", "de"), Direction("de", "en")]
    assert second.taught(data.parsed_directions) == [Direction("de", "en")]
    assert "directions" not in second.files


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        ('["de-fr"]', r"train\.1\.directions: de→fr is not one of the run's directions"),
        ('["de-en", "de-en"]', r"train\.1: directions lists a direction twice"),
        ('["de"]', r"train\.1\.directions: de→de is not one of the run's directions"),
        ("5", r"train\.1\.directions: should be a list"),
    ],
)
def test_a_corpus_s_directions_are_the_run_s(path: Path, directions: str, message: str) -> None:
    path.write_text(BOTH_WAYS.replace("repeat = 3", f"directions = {directions}"), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        load_run_config(path)


def test_a_corpus_needs_both_languages_of_its_directions(path: Path) -> None:
    config = BOTH_WAYS.replace("repeat = 3", 'directions = ["de-en"]').replace('en = "b.en"', 'cs = "b.en"')
    path.write_text(config, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"train\.1 lacks a language of de→en"):
        load_run_config(path)


def test_every_direction_has_a_corpus_that_teaches_it(path: Path) -> None:
    config = BOTH_WAYS.replace('de = "a.de"', 'de = "a.de"\ndirections = ["en-de"]')
    path.write_text(config.replace("repeat = 3", 'directions = ["en-de"]'), encoding="utf-8")
    with pytest.raises(
        InvalidInputError, match="every corpus in train that has both languages of de→en is for other dir"
    ):
        load_run_config(path)


def test_what_is_not_said_changes_nothing_about_the_text(path: Path) -> None:
    config = load_run_config(path)
    assert config.data.sampling_temperature == 1
    assert config.data.shuffle_pairs == 262_144
    assert (config.subword_regularization.source_alpha, config.subword_regularization.target_alpha) == (0, 0)


@pytest.mark.parametrize("side", ["source", "target"])
def test_either_side_has_a_strength_of_its_own(path: Path, side: str) -> None:
    options = load_run_config(path, [f"subword_regularization.{side}_alpha=0.1"]).subword_regularization
    assert (options.source_alpha, options.target_alpha) == ((0.1, 0.0) if side == "source" else (0.0, 0.1))


def test_a_configuration_survives_json(path: Path) -> None:
    config = load_run_config(path, ["subword_regularization.source_alpha=0.2", "data.sampling_temperature=5.0"])
    again = RunConfig.model_validate_json(config.model_dump_json())

    assert again == config
    assert again.data.train[1].files == config.data.train[1].files
    assert again.data != load_run_config(path, ["data.train.1.fr=c.fr"]).data
    assert again.data != load_run_config(path, ["data.train.1.repeat=2"]).data


def test_a_corpus_that_teaches_nothing_is_a_mistake(path: Path) -> None:
    path.write_text(CONFIG.replace('de = "b.de"', 'ge = "b.de"'), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"data: train\.1 lacks both languages of every direction"):
        load_run_config(path)


@pytest.mark.parametrize(
    ("override", "key", "reason"),
    [
        ("data.train.0.en=5", "data.train.0.en", "should be a path"),
        ("data.train.0.repeats=2", "data.train.0.repeats", "should be a path"),
        ("data.train.0.direction=en-de", "data.train.0", "direction is neither an option of a corpus nor a language"),
        ("data.train.0.repeat=0", "data.train.0.repeat", "greater than or equal to 1"),
        ("data.train.0.repeat=1.5", "data.train.0.repeat", "valid integer"),
        ("data.sampling_temperature=0.5", "data.sampling_temperature", "greater than or equal to 1"),
        ("data.sampling_temperature=inf", "data.sampling_temperature", "finite"),
        ("data.shuffle_pairs=100", "data.shuffle_pairs", "greater than or equal to 1024"),
        ("subword_regularization.source_alpha=1.1", "subword_regularization.source_alpha", "less than or equal to 1"),
        ("subword_regularization.target_alpha=-1", "subword_regularization.target_alpha", "greater than or equal to 0"),
        ("subword_regularization.alpha=0.1", "subword_regularization.alpha", "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_key(path: Path, override: str, key: str, reason: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_run_config(path, [override])
    assert str(caught.value).startswith(f"{path}: {key}: ")
    assert reason in str(caught.value)


SETS = CONFIG.replace(
    """[data.dev]
en = "dev.en"
de = "dev.de"
""",
    """[data.dev.general]
en = "general.en"
de = "general.de"
[data.dev.domain]
en = "domain.en"
de = "domain.de"
weight = 3
""",
)


def test_a_dev_set_without_a_name_is_one_set(path: Path) -> None:
    sets = load_run_config(path).data.dev_sets
    assert {name: (dev.files, dev.weight) for name, dev in sets.items()} == {
        "": ({"en": Path("dev.en"), "de": Path("dev.de")}, 1.0)
    }


def test_several_dev_sets_have_names_and_weights(path: Path) -> None:
    path.write_text(SETS, encoding="utf-8")
    config = load_run_config(path, ["data.dev.general.weight=0.5"])
    sets = config.data.dev_sets
    assert {name: dev.weight for name, dev in sets.items()} == {"general": 0.5, "domain": 3.0}
    assert sets["domain"].files == {"en": Path("domain.en"), "de": Path("domain.de")}
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_a_dev_set_may_measure_some_of_the_directions(path: Path) -> None:
    config = SETS.replace('directions = ["en-de"]', 'directions = ["en-de", "de-en"]', 1)
    path.write_text(config.replace("weight = 3", 'directions = ["de-en"]'), encoding="utf-8")
    data = load_run_config(path).data
    directions = [dev.taught(data.parsed_directions) for dev in data.dev_sets.values()]
    assert directions == [[Direction("en", "de"), Direction("de", "en")], [Direction("de", "en")]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight = 3", "weight = -1", r"data\.dev\.domain\.weight: Input should be greater than or equal to 0"),
        ("weight = 3", "wieght = 3", r"data\.dev\.domain\.wieght: should be a path"),
        ("weight = 3", 'directions = ["en-fr"]', r"dev\.domain\.directions: en→fr is not one of the run's directions"),
        ('de = "domain.de"', 'fr = "domain.fr"', r"dev\.domain lacks both languages of every direction"),
        ("[data.dev.general]", '[data.dev."a b"]', r'dev: "a b" is no name of a set'),
        ("[data.dev.general]", "[data.dev]", r"dev has files and named sets"),
        ('de = "general.de"', "de = 5", r"data\.dev\.general\.de: should be a path"),
        (SETS[SETS.index("[data.dev.g") : SETS.index("[arch")], "", r"dev lacks a language of en→de"),
    ],
)
def test_a_dev_set_s_mistakes_are_named(path: Path, old: str, new: str, message: str) -> None:
    assert old in SETS
    path.write_text(SETS.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        load_run_config(path)


def test_sets_without_any_weight_decide_nothing(path: Path) -> None:
    path.write_text(SETS, encoding="utf-8")
    with pytest.raises(InvalidInputError, match="dev: a set must have a weight above 0"):
        load_run_config(path, ["data.dev.general.weight=0", "data.dev.domain.weight=0"])


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ((), ("a.en", "b.en")),
        (("data.train.1.name=news",), ("a.en", "news")),
        (("data.train.0.en=x/train.en", "data.train.1.en=y/train.en"), ("x/train.en", "y/train.en")),
        (("data.train.1.en=a.en",), ("a.en (1)", "a.en (2)")),
    ],
)
def test_each_corpus_has_a_name_of_its_own(path: Path, overrides: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert load_run_config(path, overrides).data.corpus_names == names


def test_two_corpora_cannot_have_one_name(path: Path) -> None:
    with pytest.raises(InvalidInputError, match='train: two corpora have the name "news"'):
        load_run_config(path, ["data.train.0.name=news", "data.train.1.name=news"])


def test_a_dev_set_s_limit_needs_a_bundle_to_begin_with(path: Path) -> None:
    path.write_text(SETS, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"data\.dev\.general\.max_loss needs initialization\.bundle"):
        load_run_config(path, ["data.dev.general.max_loss=0.5"])


SHARDS = """
shards = "web/*.tsv"
columns = {English = 1, de = 2}
weight = [[0, 1.0], [0.5, 0.2]]
"""


def test_a_corpus_may_be_in_shards_with_a_weight_that_changes(path: Path) -> None:
    path.write_text(CONFIG.replace('en = "a.en"\nde = "a.de"', SHARDS).replace("repeat = 3", ""), encoding="utf-8")
    config = load_run_config(path)
    first, second = config.data.train
    assert config.data.is_mixed
    assert config.data.corpus_names == ("*.tsv", "b.en")
    assert (first.languages, first.patterns, first.files) == (("en", "de"), {"": ("web/*.tsv",)}, {})
    assert (first.steps, second.steps) == (((0, 1.0), (0.5, 0.2)), ((0, 1.0),))
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert config.optimization.max_updates == PRESETS[-1].values["optimization"]["max_updates"]
    sides = ['data.train.0.shards={EN = "x/*.en", de = ["x/a.de", "x/b.de"]}', "data.train.0.columns={}"]
    corpus = load_run_config(path, sides).data.train[0]
    assert corpus.patterns == {"en": ("x/*.en",), "de": ("x/a.de", "x/b.de")}
    assert corpus.languages == ("en", "de")


def test_files_may_have_weights_as_well(path: Path) -> None:
    assert not load_run_config(path).data.is_mixed
    config = load_run_config(path, ["data.train.0.weight=2", "data.train.1.repeat=1"])
    assert config.data.is_mixed
    assert config.data.train[0].steps == ((0, 2.0),)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.train.0.en=a.en"], "train.0: has shards and a file of en: give one of the two"),
        (["data.train.0.columns={}"], "train.0: shards that have both sides need columns"),
        (['data.train.0.shards={en="a", de="b"}'], "train.0: columns do not go with shards of one language each"),
        (["data.train.0.columns={en=1}"], "train.0: shards and columns must name two languages or more"),
        (["data.train.0.columns={en=1, de=0}"], "train.0.columns: columns are numbered from 1"),
        (["data.train.0.columns={en=1, thelanguage=2}"], "train.0: thelanguage is no language's code"),
        (["data.train.0.repeat=2"], "train.0: repeat does not go with shards, which have no epochs: say weight"),
        (["data.train.1.repeat=2"], "data: train.1.repeat does not go with a weight or shards: say weight"),
        (["data.sampling_temperature=2"], "data: sampling_temperature does not go with a weight or shards"),
        (["data.train.0.weight=[[0.1, 1]]"], "train.0.weight: the steps of a weight begin at 0 and rise"),
        (["data.train.0.weight=[[0, 1], [0, 2]]"], "train.0.weight: the steps of a weight begin at 0 and rise"),
        (["data.train.0.weight=-1"], "train.0.weight: Input should be greater than or equal to 0"),
        (
            ["data.train.0.weight=[[0, 1], [0.5, 0]]", "data.train.1.weight=0"],
            "data: train: from 0.5 of the run on, no",
        ),
    ],
)
def test_what_does_not_go_with_shards_is_named(path: Path, overrides: list[str], message: str) -> None:
    path.write_text(CONFIG.replace('en = "a.en"\nde = "a.de"', SHARDS).replace("repeat = 3", ""), encoding="utf-8")
    with pytest.raises(InvalidInputError) as told:
        load_run_config(path, overrides)
    assert message in str(told.value)

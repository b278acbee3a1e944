"""`dragoman init` and `dragoman keys`."""

import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from dragoman.training import presets
from dragoman.training.config import load_run_config
from dragoman.training.grammar import write_corpus
from dragoman.training.intake import speed
from dragoman.training.intake.split import fold
from dragoman.training.presets import PRESETS, QUICK
from tests.architectures import transformer_shape
from tests.commands.running import Run, assert_refused, write_lines


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the commands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def memory(here: Path) -> Path:
    """A translation memory of 402 pairs: one is a duplicate, one has a blank side."""
    write_corpus(here / "grammar", num_train=400, num_held_out=10, seed=1)
    sides = [(here / "grammar" / f"train.{code}").read_text("utf-8").splitlines() for code in ("en", "de")]
    pairs = [*zip(*sides, strict=True), (sides[0][0], sides[1][0]), ("Only English.", " ")]
    units = "".join(
        f'<tu><tuv xml:lang="en-US"><seg>{escape(source)}</seg></tuv><tuv xml:lang="de-DE"><seg>{escape(target)}</seg>'
        "</tuv></tu>"
        for source, target in pairs
    )
    path = here / "memory.tmx"
    path.write_text(f'<tmx version="1.4"><header/><body>{units}</body></tmx>', encoding="utf-8")
    return path


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_init_makes_a_corpus_and_a_configuration_that_loads(run: Run, memory: Path, here: Path) -> None:
    outcome = run("init", memory, "--from", "English", "--to", "DE", "--measure", 0)
    assert outcome.status == 0, outcome
    assert "TMX, 401 pairs" in outcome.output  # the unit without a translation is no pair
    config = load_run_config(here / "en-de.toml")
    assert [str(direction) for direction in config.data.parsed_directions] == ["en→de"]
    assert config.optimization.warmup_updates < config.optimization.max_updates / 5
    parts = {
        part: list(
            zip(lines_of(Path(f"corpus-en-de/{part}.en")), lines_of(Path(f"corpus-en-de/{part}.de")), strict=True)
        )
        for part in ("train", "dev", "test")
    }
    assert config.data.dev == {"en": Path("corpus-en-de/dev.en"), "de": Path("corpus-en-de/dev.de")}
    for side in (0, 1):
        seen = [{fold(pair[side]) for pair in pairs} for pairs in parts.values()]
        assert sum(map(len, seen)) == len(set.union(*seen))
    written = sum(map(len, parts.values()))
    removed = lines_of(Path("corpus-en-de/removed.tsv"))
    assert written + len(removed) - 1 <= 401
    assert any(line.startswith("duplicate\t") for line in removed)


def test_init_repeats_itself_and_does_not_write_over_files(run: Run, memory: Path) -> None:
    arguments = ("init", memory, "--from", "en", "--to", "de", "--measure", 0)
    assert run(*arguments).status == 0
    before = {path: path.read_bytes() for path in Path("corpus-en-de").iterdir()}
    assert_refused(run(*arguments), "exists", "--overwrite")
    assert run(*arguments, "--overwrite").status == 0
    assert {path: path.read_bytes() for path in Path("corpus-en-de").iterdir()} == before


def test_init_measures_this_machine(run: Run, memory: Path) -> None:
    outcome = run("init", memory, "--from", "en", "--to", "de", "--measure", 0.01, "--both")
    assert "s an update of" in outcome.output
    assert tomllib.loads(Path("en-de.toml").read_text("utf-8"))["data"]["directions"] == ["en-de", "de-en"]


def test_init_fits_the_training_into_the_time_that_there_is(
    run: Run, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.5]
    monkeypatch.setattr(speed, "measure_speed", lambda run, **options: speed.Speed(seconds[0], seconds[0], 1_000_000))
    arguments = ("init", memory, "--from", "en", "--to", "de", "--minutes", 10, "--overwrite")
    outcome = run(*arguments)
    assert "so about 8.5 minutes for 1,020 updates" in outcome.output, outcome
    optimization = load_run_config(Path("en-de.toml")).optimization
    assert optimization.max_updates == 1_020
    assert optimization.checkpoint_every < 100
    assert "--minutes 30" not in outcome.output
    seconds[0] = 5
    assert "with --minutes 30 --overwrite" in run(*arguments[:6], "--overwrite").output
    seconds[0] = 0.001
    assert run(*arguments).status == 0
    assert load_run_config(Path("en-de.toml")).optimization.max_updates == PRESETS[0].max_updates
    assert_refused(run(*arguments, "--measure", 0), "--minutes needs the speed of this machine")


def test_init_takes_a_smaller_network_where_many_pairs_have_little_time(
    run: Run, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = next(preset for preset in PRESETS if preset.pairs == QUICK.pairs)
    monkeypatch.setattr(presets, "PRESETS", (large,))
    monkeypatch.setattr(
        speed,
        "measure_speed",
        lambda run, **options: speed.Speed(0.01 * run.optimization.batch_tokens * run.optimization.accumulation, 1, 1),
    )
    arguments = ("init", memory, "--from", "en", "--to", "de", "--overwrite", "--minutes")
    assert run(*arguments, 2_000).status == 0
    layers = ("num_encoder_layers", "num_decoder_layers")
    chosen = load_run_config(Path("en-de.toml")).architecture
    assert [getattr(chosen, key) for key in layers] == [large.values["architecture"][key] for key in layers]
    assert run(*arguments, 10).status == 0
    chosen = load_run_config(Path("en-de.toml")).architecture
    assert [getattr(chosen, key) for key in layers] == [QUICK.values["architecture"][key] for key in layers]


def test_init_begins_with_a_model_of_other_languages(run: Run, memory: Path, here: Path) -> None:
    for part in ("train.en", "train.de"):
        (here / part.replace(".de", ".fy")).write_bytes((here / "grammar" / part).read_bytes())
    arguments = ("init", "train.en", "train.fy", "--from", "en", "--to", "fy", "--measure", 0, "--no-clean")
    assert "with --begin-with en-de --overwrite" in run(*arguments).output
    outcome = run(*arguments, "--begin-with", "en-de", "--both", "--overwrite")
    assert outcome.status == 0, outcome
    assert "--begin-with" not in outcome.output
    config = load_run_config(here / "en-fy.toml")
    assert config.initialization.bundle == "en-de"
    assert config.initialization.vocabulary == "replace"
    assert transformer_shape(config.architecture).num_encoder_layers == 4
    assert config.vocabulary.size == 1_600
    outcome = run("init", memory, "--from", "en", "--to", "de", "--begin-with", "en-de")
    assert_refused(outcome, "it translates these languages already: dragoman tune en-de")
    assert_refused(run(*arguments, "--begin-with", "nowhere", "--overwrite"), 'there is no bundle "nowhere"')


def test_init_warns_of_swapped_sides(run: Run, here: Path) -> None:
    write_corpus(here / "grammar", num_train=400, num_held_out=10, seed=1)
    english, german = here / "grammar" / "train.en", here / "grammar" / "train.de"
    write_lines(here / "x.de", *lines_of(english))
    write_lines(here / "x.en", *lines_of(german))
    outcome = run("init", "x.en", "x.de", "--from", "en", "--to", "de", "--measure", 0, "--no-clean")
    assert "warning: the sides are swapped" in outcome.errors


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--from", "en", "--to", "en-US"), "are one language"),
        (("--from", "en", "--to", "Klingonese"), '"Klingonese" is no known name of a language'),
        (("--from", "en", "--to", "de", "--columns", "1"), "name two columns"),
        (("--from", "en", "--to", "de", "--name", "a/b"), "--name a/b"),
    ],
)
def test_init_refuses_what_makes_no_sense(run: Run, memory: Path, options: tuple[str, ...], complaint: str) -> None:
    assert_refused(run("init", memory, *options), complaint)


def test_init_refuses_a_corpus_that_is_too_small(run: Run, here: Path) -> None:
    write_lines(here / "x.en", "a house", "a tree")
    write_lines(here / "x.de", "ein Haus", "ein Baum")
    outcome = run("init", "x.en", "x.de", "--from", "en", "--to", "de")
    assert_refused(outcome, "2 pairs are left of 2; at least 100 are needed")
    assert list((here / "corpus-en-de").iterdir()) == []


def test_keys_lists_and_finds(run: Run) -> None:
    assert "optimization.max_updates = 100000  (whole number (≥ 1))" in run("keys").output
    found = run("keys", "dropout").output
    assert "architecture.dropout" in found
    assert "max_updates" not in found
    assert_refused(run("keys", "xyzzy"), "xyzzy")

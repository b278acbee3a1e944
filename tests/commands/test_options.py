"""The command line has every search option, with the search's own defaults."""

from dataclasses import fields
from typing import Annotated, get_args

import typer
from typer.testing import CliRunner

from dragoman.commands import options as command_options
from dragoman.commands.options import SCORING_OPTIONS, SEARCH_OPTIONS, with_search_options
from dragoman.model.decoding import loading
from dragoman.model.decoding.search_options import SearchOptions


def test_every_search_option_is_there_with_its_default() -> None:
    defaults = {field.name: field.default for field in fields(SearchOptions)}
    assert list(SEARCH_OPTIONS) == [name for name in defaults if name != "return_attention"]
    for name, option in SEARCH_OPTIONS.items():
        assert option.default == (defaults[name] or None if name == "suppressed_pieces" else defaults[name])
    assert set(SCORING_OPTIONS) < set(SEARCH_OPTIONS)


def test_the_precisions_are_those_of_loading() -> None:
    precision, _option = get_args(command_options.Precision)
    assert get_args(precision) == get_args(loading.Precision)


def test_a_command_gets_the_options_beside_its_own() -> None:
    app = typer.Typer()
    seen: list[tuple[str, int, SearchOptions]] = []

    @app.command()
    @with_search_options()
    def search(
        text: str, times: Annotated[int, typer.Option(help="How often.")] = 1, *, options: "SearchOptions"
    ) -> None:
        seen.append((text, times, options))

    runner = CliRunner()
    assert runner.invoke(app, ["house"]).exit_code == 0
    arguments = "--times 2 --beam-size 3 --length-normalization average --max-target-length 9 --target-prefix Das"
    arguments += " --suppress a --suppress b --sampling-temperature 0.5 --seed 7 --no-repeat-ngram-size 2"
    assert runner.invoke(app, ["house", *arguments.split()]).exit_code == 0
    assert seen == [
        ("house", 1, SearchOptions()),
        (
            "house",
            2,
            SearchOptions(
                beam_size=3,
                length_normalization="average",
                max_target_length=9,
                target_prefix="Das",
                suppressed_pieces=("a", "b"),
                sampling_temperature=0.5,
                seed=7,
                no_repeat_ngram_size=2,
            ),
        ),
    ]


def test_a_command_has_no_more_than_it_names() -> None:
    app = typer.Typer()
    seen: list[SearchOptions] = []

    @app.command()
    @with_search_options(SCORING_OPTIONS)
    def score(*, options: "SearchOptions") -> None:
        seen.append(options)

    runner = CliRunner()
    assert runner.invoke(app, ["--length-penalty", "0.5"]).exit_code == 0
    assert seen == [SearchOptions(length_penalty=0.5)]
    assert runner.invoke(app, ["--beam-size", "2"]).exit_code == 2

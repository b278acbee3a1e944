"""Options that several commands have, declared once: those of loading and of output, and the search options.

Free of all but typer, so that `--help` is instant. What a value may be is `SearchOptions`' to say.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any, Literal, NamedTuple

import typer

SEARCH, SAMPLING, OUTPUT, MODEL = "Search", "Sampling", "Output", "Model"
"""Panels of --help."""

To = Annotated[str, typer.Option("--to", metavar="LANGUAGE", help="Target language, such as de or German.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="LANGUAGE", help="Source language; may be left out if it is clear.")
]
_PrecisionName = Literal["auto", "float32", "bfloat16", "float16", "int8"]
_PRECISION = typer.Option(help="What to compute in; auto: int8 on a processor, else bfloat16.", rich_help_panel=MODEL)
_DEVICE = typer.Option(help="cpu, or another that torch knows, such as cuda.", rich_help_panel=MODEL)
_SHORTLIST = typer.Option(
    "--shortlist", help="Use the bundle's lexical shortlist: faster, nearly the same.", rich_help_panel=MODEL
)
Precision = Annotated[_PrecisionName, _PRECISION]
Device = Annotated[str, _DEVICE]
UseShortlist = Annotated[bool, _SHORTLIST]
# Where a configuration says what holds for what is not given.
PrecisionIfGiven = Annotated[_PrecisionName | None, _PRECISION]
DeviceIfGiven = Annotated[str | None, _DEVICE]
UseShortlistIfGiven = Annotated[bool | None, _SHORTLIST]
Split = Annotated[
    bool,
    typer.Option(
        "--split/--no-split", help="Translate texts sentence by sentence, or each as one.", rich_help_panel=MODEL
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines that hold all there is.", rich_help_panel=OUTPUT)]
WithAlignment = Annotated[
    bool, typer.Option("--alignment", help="With which word comes from which.", rich_help_panel=OUTPUT)
]
WithAttention = Annotated[
    bool, typer.Option("--attention", help="With the cross-attention, in JSON.", rich_help_panel=OUTPUT)
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output if it exists.", rich_help_panel=OUTPUT)
]

Command = Callable[..., None]


class _Option(NamedTuple):
    """How a field of `SearchOptions` is given on the command line; default: the field's, None standing for empty."""

    type: Any
    default: object


def _search(help_text: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, metavar=metavar, help=help_text, rich_help_panel=SEARCH)


def _sampling(help_text: str) -> Any:
    return typer.Option(help=help_text, rich_help_panel=SAMPLING)


SEARCH_OPTIONS = {
    "beam_size": _Option(Annotated[int, _search("Hypotheses kept alive, 1 to 32; 1 is greedy search.")], 4),
    "n_best": _Option(Annotated[int, _search("Translations of each text, best first.")], 1),
    "length_penalty": _Option(
        Annotated[float, _search("0 to 10: 0 favours short translations, higher values longer ones.")], 1.0
    ),
    "length_normalization": _Option(
        Annotated[
            Literal["gnmt", "average"],
            _search("Divides log probabilities by ((5 + length) / 6) or by length, to the power of the penalty."),
        ],
        "gnmt",
    ),
    "coverage_penalty": _Option(
        Annotated[float, _search("0 to 10: higher values disfavour leaving parts of the source out.")], 0.0
    ),
    "min_target_length": _Option(Annotated[int, _search("Fewest pieces of a sentence.")], 1),
    "max_target_length": _Option(
        Annotated[int | None, _search("Most pieces of a sentence; else by the length of its source.")], None
    ),
    "no_repeat_ngram_size": _Option(Annotated[int, _search("No sequence of so many pieces twice; 0 allows all.")], 0),
    "target_prefix": _Option(Annotated[str, _search("What every translation begins with.", metavar="TEXT")], ""),
    "suppressed_pieces": _Option(
        Annotated[
            list[str] | None,
            _search("A piece that may not occur, such as ▁house; repeatable.", "--suppress", metavar="PIECE"),
        ],
        None,
    ),
    "sampling_temperature": _Option(
        Annotated[
            float | None,
            _sampling("Draw translations at random, the more widely the higher it is, in place of search."),
        ],
        None,
    ),
    "sampling_top_k": _Option(Annotated[int, _sampling("Draw among so many likeliest pieces; 0 is all.")], 0),
    "sampling_top_p": _Option(
        Annotated[float, _sampling("Draw among the likeliest pieces whose probabilities add up to it.")], 1.0
    ),
    "seed": _Option(Annotated[int, _sampling("Other draws for another seed.")], 0),
}
"""All that a person chooses; what a command prints decides whether attention is computed."""

SCORING_OPTIONS = ("length_penalty", "length_normalization", "coverage_penalty")
"""Those that make a score of a log probability."""


def with_search_options(names: Sequence[str] = tuple(SEARCH_OPTIONS)) -> Callable[[Command], Command]:
    """Gives a command an option for each of the named search options, and has them passed on to its keyword argument
    `options`, a `SearchOptions`."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**arguments: Any) -> None:
            from dragoman.model.decoding.search_options import SearchOptions

            chosen = {name: arguments.pop(name) for name in names}
            if "suppressed_pieces" in chosen:
                chosen["suppressed_pieces"] = tuple(chosen["suppressed_pieces"] or ())
            command(**arguments, options=SearchOptions(**chosen))

        own = [parameter for name, parameter in inspect.signature(command).parameters.items() if name != "options"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.type)
            for name, option in SEARCH_OPTIONS.items()
            if name in names
        ]
        # Typer reads both.
        run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
        return run

    return decorate

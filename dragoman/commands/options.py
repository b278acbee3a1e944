"""Options that several commands have, declared once: those of loading and of output, and the search options.

Free of all but typer and the declarations of the search options, so that `--help` is instant.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any, Literal, NamedTuple

import typer

from dragoman.model.decoding.search_options import DECLARATIONS, SearchArguments, SearchOptions

SEARCH, SAMPLING, OUTPUT, MODEL = "Search", "Sampling", "Output", "Model"
"""Panels of --help."""

To = Annotated[str, typer.Option("--to", metavar="LANGUAGE", help="Target language, such as de or German.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="LANGUAGE", help="Source language; may be left out if it is clear.")
]
_PrecisionName = Literal["auto", "float32", "bfloat16", "float16", "int8"]
_PRECISION = typer.Option(
    help="Number format to compute in; auto: int8 on a processor, bfloat16 elsewhere.", rich_help_panel=MODEL
)
_DEVICE = typer.Option(help="cpu, or a device that torch knows, such as cuda.", rich_help_panel=MODEL)
_SHORTLIST = typer.Option(
    "--shortlist",
    help="Use the bundle's lexical shortlist: faster, with nearly the same translations.",
    rich_help_panel=MODEL,
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
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON lines with every detail.", rich_help_panel=OUTPUT)]
WithAlignment = Annotated[
    bool, typer.Option("--alignment", help="Add which source word each target word comes from.", rich_help_panel=OUTPUT)
]
WithAttention = Annotated[
    bool, typer.Option("--attention", help="Add the cross-attention; needs --json.", rich_help_panel=OUTPUT)
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output if it exists.", rich_help_panel=OUTPUT)
]

Command = Callable[..., None]


class _Option(NamedTuple):
    """How a field of `SearchOptions` is given on the command line; default: the field's, None standing for empty."""

    type: Any
    default: object


def _option_of(name: str) -> _Option:
    declared, default = DECLARATIONS[name], SearchOptions.__dataclass_fields__[name].default
    panel = SAMPLING if declared.is_draw else SEARCH
    flags = [] if declared.flag is None else [declared.flag]
    option = typer.Option(*flags, metavar=declared.metavar, help=declared.help, rich_help_panel=panel)
    if name == "suppressed_pieces":
        return _Option(Annotated[list[str] | None, option], None)
    return _Option(Annotated[SearchArguments.__annotations__[name], option], default)


SEARCH_OPTIONS = {name: _option_of(name) for name in DECLARATIONS if name != "return_attention"}
"""All that a person chooses; what a command prints decides whether attention is computed."""

SCORING_OPTIONS = ("length_penalty", "length_normalization", "coverage_penalty")
"""Those that make a score of a log probability."""


def with_search_options(names: Sequence[str] = tuple(SEARCH_OPTIONS)) -> Callable[[Command], Command]:
    """Gives a command an option for each of the named search options, and has them passed on to its keyword argument
    `options`, a `SearchOptions`."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**arguments: Any) -> None:
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

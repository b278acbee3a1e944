"""Options shared by several commands: for loading, for output, and for the search.

Imports only typer and the declarations of the search options, so that `--help` is instant.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer

from dragoman.model.decoding.search_options import DECLARATIONS, SearchArguments, SearchOptions

SEARCH, SAMPLING, OUTPUT, DOCUMENTS, MODEL = "Search", "Sampling", "Output", "Documents", "Model"
"""Panels of --help."""

To = Annotated[str, typer.Option("--to", metavar="LANGUAGE", help="Target language, such as de or German.")]
ToIfSeveral = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="LANGUAGE",
        help="Target language, such as de or German; optional if the text's language leaves only one.",
    ),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="LANGUAGE", help="Source language; optional if only one is possible.")
]
_PrecisionName = Literal["auto", "float32", "bfloat16", "float16", "int8"]
_PRECISION = typer.Option(
    help="Number format of the computation; auto: int8 on the CPU, bfloat16 on a GPU.", rich_help_panel=MODEL
)
_DEVICE = typer.Option(help="cpu, or a device of torch, such as cuda.", rich_help_panel=MODEL)
_SHORTLIST = typer.Option(
    "--shortlist",
    help="Use the bundle's lexical shortlist: faster, nearly the same translations.",
    rich_help_panel=MODEL,
)
Precision = Annotated[_PrecisionName, _PRECISION]
Device = Annotated[str, _DEVICE]
UseShortlist = Annotated[bool, _SHORTLIST]
# For commands where a configuration supplies the value of an option that is not given.
PrecisionIfGiven = Annotated[_PrecisionName | None, _PRECISION]
DeviceIfGiven = Annotated[str | None, _DEVICE]
UseShortlistIfGiven = Annotated[bool | None, _SHORTLIST]
Split = Annotated[
    bool,
    typer.Option(
        "--split/--no-split", help="Split texts into sentences, or take each text as one.", rich_help_panel=MODEL
    ),
]
Terms = Annotated[
    Path | None,
    typer.Option(
        "--terms",
        metavar="FILE",
        help="Glossary: a .tsv or .csv whose first line names the languages, or .tbx.",
        rich_help_panel=MODEL,
    ),
]
JoinLines = Annotated[
    bool,
    typer.Option(
        "--join-lines/--lines",
        help="Join the lines of wrapped paragraphs and wrap their translations, or end a sentence with every line.",
        rich_help_panel=MODEL,
    ),
]
Protect = Annotated[
    bool,
    typer.Option(
        "--protect/--no-protect",
        help="Keep placeholders, addresses, code, figures, emoji and names as they are, or give the model all words.",
        rich_help_panel=MODEL,
    ),
]
LocalizeFigures = Annotated[
    bool,
    typer.Option(
        "--localize-figures/--keep-figures",
        help="Write figures in the target's notation where they are clear, 1,234.5 as 1.234,5, or as they are.",
        rich_help_panel=MODEL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON lines with all details.", rich_help_panel=OUTPUT)]
WithAlignment = Annotated[
    bool, typer.Option("--alignment", help="Add the source word of each target word.", rich_help_panel=OUTPUT)
]
WithAttention = Annotated[
    bool, typer.Option("--attention", help="Add the cross-attention; needs --json.", rich_help_panel=OUTPUT)
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output if it exists.", rich_help_panel=OUTPUT)
]

Command = Callable[..., None]


class _Option(NamedTuple):
    """A field of `SearchOptions` on the command line. default: the field's, or None for an empty tuple."""

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
"""All search options except return_attention, which follows from the command's output."""

SCORING_OPTIONS = ("length_penalty", "length_normalization", "coverage_penalty")
"""The options that turn a log probability into a score."""


def with_search_options(names: Sequence[str] = tuple(SEARCH_OPTIONS)) -> Callable[[Command], Command]:
    """Give a command the named search options; it gets them in its keyword argument `options`, a `SearchOptions`."""

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

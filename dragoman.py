"""Dragoman's face: the command line, and the names that `import dragoman` offers, both imported only when used."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from model.errors import DragomanError, InvalidInputError, NotFoundError
from server import commands as server_commands
from training import commands as training_commands
from training.clean_command import clean
from training.combine_command import combine
from training.report_command import compare, report
from training.synthesize_command import synthesize

if TYPE_CHECKING:
    from model.config import Direction
    from model.decoding.scored import ScoredTranslation
    from model.decoding.scoring import Scorer
    from model.decoding.search_options import SearchOptions
    from model.decoding.translation import Hypothesis, Translation
    from model.decoding.translator import Translator
    from server.client import AsyncClient, Client, LiveTranslation, ModelChangedError, ServerError, TextError, Tls

__all__ = [
    "AsyncClient",
    "Client",
    "Direction",
    "DragomanError",
    "Hypothesis",
    "InvalidInputError",
    "LiveTranslation",
    "ModelChangedError",
    "NotFoundError",
    "ScoredTranslation",
    "Scorer",
    "SearchOptions",
    "ServerError",
    "TextError",
    "Tls",
    "Translation",
    "Translator",
]

_HOMES = {
    "AsyncClient": "server.client",
    "Client": "server.client",
    "Direction": "model.config",
    "Hypothesis": "model.decoding.translation",
    "LiveTranslation": "server.client",
    "ModelChangedError": "server.client",
    "ScoredTranslation": "model.decoding.scored",
    "Scorer": "model.decoding.scoring",
    "SearchOptions": "model.decoding.search_options",
    "ServerError": "server.client",
    "TextError": "server.client",
    "Tls": "server.client",
    "Translation": "model.decoding.translation",
    "Translator": "model.decoding.translator",
}


def __getattr__(name: str) -> Any:
    """Imports a public name on first use: the client's users need no torch, and --help needs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dragoman' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def models() -> None:
    """List the bundles that come with Dragoman: languages, size, BLEU."""
    from rich.console import Console
    from rich.table import Table

    from model.bundle import read_config, shipped_bundles, size_on_disk

    table = Table("name", "directions", "parameters", "on disk", "BLEU")
    for folder in shipped_bundles():
        config = read_config(folder)
        scores = [score for score in config.scores if score.metric == "BLEU"]
        table.add_row(
            config.name,
            ", ".join(map(str, config.directions)),
            f"{config.num_parameters / 1e6:.1f} M",
            f"{size_on_disk(folder) / 2**20:.1f} MiB",
            "\n".join(f"{score.direction} {score.score:.1f} ({score.test_set})" for score in scores) or "not measured",
        )
    Console().print(table)


def export(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder, or a shipped bundle's name.")],
    output: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Where the model goes.")],
    to: Annotated[Literal["ctranslate2"], typer.Option("--to", help="For which engine.")],
    quantization: Annotated[
        Literal["float32", "float16", "bfloat16", "int16", "int8"], typer.Option(help="How the weights are stored.")
    ] = "float32",
    shortlist: Annotated[
        str | None, typer.Option(metavar="DIRECTION", help='Add the lexical shortlist of a direction, such as "en-de".')
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there already.")] = False,
) -> None:
    """Write a bundle as a model folder for another engine."""
    from model.bundle import find_bundle
    from model.config import Direction
    from model.export import export_ctranslate2

    direction = Direction.parse(shortlist) if shortlist is not None else None
    export_ctranslate2(find_bundle(bundle), output, quantization=quantization, shortlist=direction, overwrite=overwrite)
    typer.echo(f"{output}: written; its README.md shows how {to} translates with it")


app = typer.Typer(
    help="Neural machine translation that a team owns whole: train, evaluate, translate, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# In the order of --help.
for _command in (
    clean,
    training_commands.train,
    report,
    compare,
    training_commands.evaluate,
    training_commands.score,
    training_commands.shortlist,
    training_commands.average,
    synthesize,
    server_commands.translate,
    combine,
    server_commands.serve,
    models,
    export,
):
    app.command()(_command)
app.command(hidden=True)(server_commands.demo)


def main() -> None:
    """The command `dragoman`; an error that the user can mend is one line and exit code 2."""
    try:
        app(prog_name="dragoman")
    except DragomanError as error:
        typer.echo(f"dragoman: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

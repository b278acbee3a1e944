"""`dragoman export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder or a shipped bundle's name.")],
    output: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Folder of the model.")],
    to: Annotated[Literal["ctranslate2"], typer.Option("--to", help="Engine that will load the model.")],
    quantization: Annotated[
        Literal["float32", "float16", "bfloat16", "int16", "int8"], typer.Option(help="How the weights are stored.")
    ] = "float32",
    shortlist: Annotated[
        str | None, typer.Option(metavar="DIRECTION", help='Add the lexical shortlist of a direction, such as "en-de".')
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the model if it exists.")] = False,
) -> None:
    """Write a bundle as a model folder for another engine."""
    from dragoman.model.bundle import find_bundle
    from dragoman.model.config import Direction
    from dragoman.model.foreign.export import export_ctranslate2

    direction = Direction.parse(shortlist) if shortlist is not None else None
    export_ctranslate2(find_bundle(bundle), output, quantization=quantization, shortlist=direction, overwrite=overwrite)
    typer.echo(f"{output}: written; its README.md shows how {to} translates with it")

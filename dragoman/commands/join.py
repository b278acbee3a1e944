"""`dragoman join`."""

from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import Overwrite


def join(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The output that was given to translate --shard.")],
    remove: Annotated[bool, typer.Option("--remove", help="Delete the shards afterwards.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Put the shards of a translation together.

    It is refused if one is missing or unfinished, or was made with another model or other options. The result is, to
    the bit, what one process would have written.
    """
    from dragoman.translation.batch.shards import join_shards

    num_lines = join_shards(output, overwrite=overwrite, remove=remove)
    typer.echo(f"{output}: {num_lines:,} lines")

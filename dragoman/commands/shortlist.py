"""`dragoman shortlist`."""

from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import (
    From,
    To,
)


def shortlist(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder, or a shipped bundle's name.")],
    to: To,
    source: Annotated[Path, typer.Option(metavar="FILE", help="Sentences to learn from, one a line; .gz works too.")],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Their translations, one a line.")],
    source_language: From = None,
    frequent: Annotated[int, typer.Option(min=64, help="Target pieces that are always possible.")] = 100,
    best: Annotated[int, typer.Option(min=1, help="Most candidates that a source piece adds to them.")] = 50,
    vmap: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the lists for CTranslate2, too, as its vmap.txt.")
    ] = None,
) -> None:
    """Learn which target pieces a source piece may need, and write it into a bundle: translating is faster with it."""
    from rich.console import Console

    from dragoman.training.learning.shortlist import ShortlistOptions, add_shortlist

    options = ShortlistOptions(frequent=frequent, best=best)
    with Console(stderr=True).status("learning"):
        direction, coverage = add_shortlist(
            bundle, source_language, to, source=source, target=target, options=options, vmap=vmap
        )
    typer.echo(
        f"{direction}: {coverage.mean_size:,.0f} of {coverage.vocab_size:,} pieces for a sentence; they cover "
        f"{coverage.pieces:.1%} of the pieces of {coverage.num_pairs:,} held-out translations, "
        f"{coverage.sentences:.1%} of them whole"
    )

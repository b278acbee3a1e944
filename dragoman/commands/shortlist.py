"""`dragoman shortlist`."""

from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import (
    From,
    To,
)


def shortlist(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder or a shipped bundle's name.")],
    to: To,
    source: Annotated[
        Path, typer.Option(metavar="FILE", help="Source sentences to learn from, one per line; may be .gz.")
    ],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Their translations, one per line.")],
    source_language: From = None,
    frequent: Annotated[
        int, typer.Option(min=64, help="Number of most frequent target pieces, which are always possible.")
    ] = 100,
    best: Annotated[int, typer.Option(min=1, help="Maximal number of target pieces that a source piece adds.")] = 50,
    vmap: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the lists in CTranslate2's format, vmap.txt.")
    ] = None,
) -> None:
    """Learn a lexical shortlist and write it into a bundle, which then translates faster with --shortlist.

    It lists the target pieces that the translation of each source piece may need.
    """
    from rich.console import Console

    from dragoman.training.learning.shortlist import ShortlistOptions, add_shortlist

    options = ShortlistOptions(frequent=frequent, best=best)
    with Console(stderr=True).status("learning"):
        direction, coverage = add_shortlist(
            bundle, source_language, to, source=source, target=target, options=options, vmap=vmap
        )
    typer.echo(
        f"{direction}: {coverage.mean_size:,.0f} of {coverage.vocab_size:,} pieces per sentence; they cover "
        f"{coverage.pieces:.1%} of the pieces of {coverage.num_pairs:,} held-out translations, "
        f"{coverage.sentences:.1%} of the translations completely"
    )

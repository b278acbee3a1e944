"""`dragoman average`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from dragoman.commands.options import (
    Overwrite,
)
from dragoman.model.files import refuse_to_replace


def average(
    bundles: Annotated[
        list[str], typer.Argument(metavar="BUNDLE", help="Two or more folders or names of shipped bundles.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the new bundle.", show_default=False)],
    storage: Annotated[
        Literal["int8", "float16", "float32"], typer.Option(help="How its weights are stored.")
    ] = "float16",
    overwrite: Overwrite = False,
) -> None:
    """Write a bundle whose weights are the mean of several bundles' weights.

    The bundles should be fine-tuned from one bundle, for example with
    different seeds. Their mean, a model soup (Wortsman et al. 2022), often
    translates better than each of them at the cost of one. The mean of
    unrelated bundles is useless.
    """
    from dragoman.model.bundle import find_bundle, read_config
    from dragoman.training.learning.averaging import average_bundles, share_their_origin

    if not overwrite:
        refuse_to_replace(output)
    info = average_bundles(bundles, output, storage)
    if not share_their_origin([read_config(find_bundle(bundle)) for bundle in bundles]):
        typer.echo("the bundles name no common origin: the mean of unrelated bundles is useless", err=True)
    typer.echo(f"{output}: {info.name}, the mean of {len(bundles)} bundles")

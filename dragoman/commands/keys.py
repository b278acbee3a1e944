"""`dragoman keys`: all keys of a training run's configuration."""

import shutil
from typing import Annotated

import typer

from dragoman.model.errors import NotFoundError


def keys(
    wanted: Annotated[
        str | None, typer.Argument(metavar="WORD", show_default=False, help="Show only keys that hold this word.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page training/KEYS.md.")] = False,
) -> None:
    """List every key of a training configuration: its type, bounds, default and meaning.

    Keys are set in the TOML file, by --set KEY=VALUE, or by variables such as DRAGOMAN_OPTIMIZATION__MAX_UPDATES.
    """
    from dragoman.training.keys import describe_keys, keys_page, list_keys

    found = [key for key in list_keys() if wanted is None or wanted.lower() in f"{key.name} {key.description}".lower()]
    if not found:
        raise NotFoundError(f"no key and no description holds “{wanted}”; `dragoman keys` lists all")
    if markdown:
        typer.echo(keys_page(), nl=False)
    else:
        typer.echo(describe_keys(found, width=shutil.get_terminal_size().columns))

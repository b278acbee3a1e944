"""`dragoman grammar`: a small corpus to try training on."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import Overwrite
from dragoman.model.errors import DragomanError
from dragoman.model.files import refuse_to_replace, write_atomically

TEMPLATE_FOLDER = '"quickstart/'
"""Beginning of the paths in training/configs/quickstart.toml."""


def grammar(
    folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Folder of the files.")],
    sentences: Annotated[int, typer.Option(min=100, help="Sentence pairs to train on.")] = 40_000,
    held_out: Annotated[
        int, typer.Option(min=10, help="Pairs each in dev and test; training has none of their combinations.")
    ] = 500,
    seed: Annotated[int, typer.Option(help="Seed for drawing the sentences.")] = 1,
    overwrite: Overwrite = False,
) -> None:
    """Write a small English-German corpus from a grammar, and a configuration to train on it in two minutes."""
    from importlib.resources import files

    from dragoman.training.grammar import write_corpus

    config = folder / "quickstart.toml"
    if not overwrite:
        refuse_to_replace(config)
    try:
        write_corpus(folder, num_train=sentences, num_held_out=held_out, seed=seed)
    except OSError as error:
        raise DragomanError(f"{folder}: cannot be written: {error.strerror or error}") from error
    template = (files("dragoman.training") / "configs" / "quickstart.toml").read_text("utf-8")
    prefix = json.dumps(f"{folder}/", ensure_ascii=False)[:-1]
    write_atomically(config, template.replace(TEMPLATE_FOLDER, prefix))
    typer.echo(f"{config}: written; train on it: dragoman train {shlex.quote(str(config))}")

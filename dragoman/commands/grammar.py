"""`dragoman grammar`: a first corpus to try training with."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import Overwrite
from dragoman.model.errors import DragomanError
from dragoman.model.files import refuse_to_replace, write_atomically

TEMPLATE_FOLDER = '"quickstart/'
"""How training/configs/quickstart.toml begins its paths."""


def grammar(
    folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Where the files go.")],
    sentences: Annotated[int, typer.Option(min=100, help="Sentence pairs to train on.")] = 40_000,
    held_out: Annotated[
        int, typer.Option(min=10, help="Pairs each in dev and test, of combinations that training never has.")
    ] = 500,
    seed: Annotated[int, typer.Option(help="Other sentences for another seed.")] = 1,
    overwrite: Overwrite = False,
) -> None:
    """Write a small English-German corpus, made by a grammar, and a configuration that trains on it in two minutes."""
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

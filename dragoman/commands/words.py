"""`dragoman words`."""

from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import To


def words(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder or a shipped bundle's name.")],
    to: To,
    source_language: Annotated[str, typer.Option("--from", metavar="LANGUAGE", help="Language of the sources.")],
    source: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Source sentences of training, one per line; may be .gz.")
    ],
    target: Annotated[list[Path], typer.Option(metavar="FILE", help="Their translations, likewise; as many files.")],
) -> None:
    """Write the words of a training corpus into a bundle, which then copies names that it does not know.

    Without them, only names that the vocabulary cannot spell are protected.
    """
    from dragoman.model.errors import InvalidInputError
    from dragoman.training.corpus.known_words import add_known_words

    if len(source) != len(target):
        raise InvalidInputError("there must be as many --source as --target")
    counts = add_known_words(bundle, list(zip(source, target, strict=True)), (source_language, to))
    typer.echo(", ".join(f"{count:,} words of {language}" for language, count in counts.items()))

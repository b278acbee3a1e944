"""`dragoman import`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

_Format = Literal["ctranslate2", "argos", "huggingface", "marian", "bergamot"]


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", show_default=False, help="A model of another toolkit: folder or file.")
    ],
    output: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Folder of the bundle.")],
    sources: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="LANGUAGE", help="Source language, if the files do not say; may be repeated."),
    ] = None,
    targets: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="LANGUAGE", help="Target language, if the files do not say; may be repeated."),
    ] = None,
    format_: Annotated[
        _Format | None,
        typer.Option("--format", help="Of the model, if it is not found by looking."),
    ] = None,
    pieces: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="SentencePiece's model, if the folder lacks it; given twice: of the source, of the target.",
        ),
    ] = None,
    positions: Annotated[
        Literal["transformers", "marian"],
        typer.Option(help="Of MarianMTModel: as transformers computes them, or as in Marian, where it was trained."),
    ] = "transformers",
    name: Annotated[str | None, typer.Option(help="Of the bundle; the folder's if not given.")] = None,
    storage: Annotated[
        Literal["int8", "float16", "float32"] | None,
        typer.Option(help="How the weights are stored; without it, as the model has them."),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="The model's, for the card.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the bundle if it exists.")] = False,
) -> None:
    """Make a bundle of a model that another toolkit trained.

    The bundle then translates, serves, scores, is evaluated, fine-tuned and exported as any other.
    """
    from dragoman.model.foreign.importing import import_model
    from dragoman.model.foreign.model import ImportOptions
    from dragoman.training.card import model_card
    from dragoman.translation.languages import canonical_language
    from dragoman.translation.protecting.probing import add_copying

    def languages(given: list[str] | None) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(canonical_language, given or ())))

    info = import_model(
        source,
        output,
        ImportOptions(
            sources=languages(sources),
            targets=languages(targets),
            piece_models=tuple(pieces or ()),
            positions=positions,
            tag=canonical_language,
        ),
        model_card,
        wanted=format_,
        name=name,
        storage=storage,
        licence=licence,
        overwrite=overwrite,
    )
    directions = ", ".join(map(str, info.directions[:6])) + (" …" if len(info.directions) > 6 else "")
    typer.echo(f"{output}: written, {info.num_parameters / 1e6:.1f} M parameters in {info.storage}; {directions}")
    for measured in add_copying(output):
        typer.echo(
            f"{measured.direction}: copies {', '.join(one.word for one in measured.names[:5]) or 'no name tried'}"
        )

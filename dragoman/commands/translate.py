"""`dragoman translate`."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import (
    MODEL,
    AsJson,
    Device,
    From,
    Overwrite,
    Precision,
    Split,
    To,
    UseShortlist,
    WithAlignment,
    WithAttention,
    with_search_options,
)
from dragoman.model.errors import InvalidInputError

if TYPE_CHECKING:
    from dragoman.model.decoding.search_options import SearchOptions
    from dragoman.translation.batch.progress import Scalar
    from dragoman.translation.batch.source import Task, TranslationSource
    from dragoman.translation.results import Translation

DEFAULT_BUNDLE = "en-de"
"""What translates where no bundle is named."""


@with_search_options()
def translate(
    to: To,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts, one translation each.")] = None,
    source_language: From = None,
    input_path: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Translate a file, one text a line; .gz works too.")
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where the translations of --input go.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    alignment: WithAlignment = False,
    attention: WithAttention = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BUNDLE",
            help="A folder or a shipped bundle; repeated, an ensemble. With --server, its model's name.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Let a running service translate.", rich_help_panel=MODEL),
    ] = None,
    precision: Precision = "auto",
    device: Device = "cpu",
    use_shortlist: UseShortlist = False,
    split: Split = True,
    *,
    options: "SearchOptions",
) -> None:
    """Translate texts, or a file: after an interruption the same command goes on where it stopped.

    A line for a text. With --n-best several, each with the text's number, its score and the translation between TABs;
    with --json an object.
    """
    from dragoman.server.client.batch_source import remote_source
    from dragoman.translation.batch.source import Task, local_source

    if bool(texts) == (input_path is not None):
        raise InvalidInputError("give either TEXT to translate, or --input FILE")
    if (input_path is None) != (output_path is None):
        raise InvalidInputError("--input FILE and --output FILE go together")
    if (alignment or attention) and not as_json:
        raise InvalidInputError("--alignment and --attention are parts of --json")
    if output_path is not None and options.n_best > 1 and not as_json:
        raise InvalidInputError(
            "--n-best into a file needs --json: line N of the output belongs to line N of the input"
        )
    task = Task(
        to=to,
        source_language=source_language,
        options=options,
        split_sentences=split,
        with_pieces=as_json,
        with_alignment=alignment,
        with_attention=attention,
    )
    found: AbstractContextManager[TranslationSource]
    if server is not None:
        if precision != "auto" or device != "cpu" or use_shortlist or len(model or ()) > 1:
            raise InvalidInputError("--precision, --device, --shortlist and a second --model do not go with --server")
        found = remote_source(server, model[0] if model else None, task)
    else:
        from dragoman.translation.translator import Translator

        translator = Translator.load(
            model or [DEFAULT_BUNDLE], precision=precision, device=device, use_shortlist=use_shortlist
        )
        loaded_with: dict[str, Scalar] = {"precision": precision, "device": device, "shortlist": use_shortlist}
        found = nullcontext(local_source(translator, task, loaded_with))
    with found as source:
        if input_path is None or output_path is None:
            _print_translations(source, texts or [], task, as_json=as_json)
        else:
            _translate_file(source, input_path, output_path, task, as_json=as_json, overwrite=overwrite)


def _print_translations(source: "TranslationSource", texts: list[str], task: "Task", *, as_json: bool) -> None:
    from dragoman.translation.batch.formats import translation_to_json, translation_to_tsv

    for number, translation in enumerate(source.translate_stream(texts), start=1):
        if as_json:
            typer.echo(translation_to_json(translation, attention=task.with_attention))
        elif task.options.n_best > 1:
            typer.echo(translation_to_tsv(number, translation))
        else:
            typer.echo(translation.text)


def _translate_file(
    source: "TranslationSource", input_path: Path, output_path: Path, task: "Task", *, as_json: bool, overwrite: bool
) -> None:
    from dragoman.translation.batch.formats import translation_to_json
    from dragoman.translation.batch.job import run_batch_job, show_progress

    def write(translation: "Translation") -> str:
        return translation_to_json(translation, attention=task.with_attention) if as_json else translation.text

    written = {"as_json": as_json, "with_alignment": task.with_alignment, "with_attention": task.with_attention}
    with show_progress() as on_progress:
        summary = run_batch_job(
            input_path,
            output_path,
            source.translate_stream,
            parameters=source.parameters | written,
            write=write,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    resumed = f", {summary.num_resumed:,} of them before" if summary.num_resumed else ""
    typer.echo(f"{output_path}: {summary.num_lines:,} lines translated{resumed}", err=True)

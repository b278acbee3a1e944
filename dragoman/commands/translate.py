"""`dragoman translate`."""

import itertools
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from dragoman.commands.documents import DocumentArguments, find_documents, sample_texts, translate_documents
from dragoman.commands.file_jobs import (
    FileJob,
    columns_of_records,
    translate_file,
    translate_on_ray,
    translate_parquet_file,
)
from dragoman.commands.options import (
    DOCUMENTS,
    MODEL,
    AsJson,
    Device,
    From,
    JoinLines,
    LocalizeFigures,
    Overwrite,
    Precision,
    Protect,
    Split,
    Terms,
    ToIfSeveral,
    UseShortlist,
    WithAlignment,
    WithAttention,
    with_search_options,
)
from dragoman.commands.target_language import choose_target, name_unchanged
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import STANDARD_STREAM, is_stream, open_output, refuse_to_replace
from dragoman.translation.batch.lines import encode_line

if TYPE_CHECKING:
    from dragoman.model.config import Direction
    from dragoman.model.decoding.search_options import SearchOptions
    from dragoman.translation.batch.progress import Scalar
    from dragoman.translation.batch.records import Columns
    from dragoman.translation.batch.source import Task, TranslationSource
    from dragoman.translation.results import Translation
    from dragoman.translation.terms.glossary import Glossary
    from dragoman.translation.translator import Translator

    OpenSource: TypeAlias = Callable[[Task], AbstractContextManager[TranslationSource]]

DEFAULT_BUNDLE = "en-de"
"""The bundle that translates if none is named."""


@with_search_options()
def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT|FILE", help="Texts, or documents; by default the lines of standard input."),
    ] = None,
    to: ToIfSeveral = None,
    source_language: From = None,
    input_path: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="One text per line; may be .gz; - is standard input."),
    ] = None,
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write here; may be .gz; - is standard output."),
    ] = None,
    overwrite: Overwrite = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Translate part I of N of --input; auto/N takes I from Kubernetes or Slurm. dragoman join puts the "
            "parts together.",
        ),
    ] = None,
    as_json: AsJson = False,
    alignment: WithAlignment = False,
    attention: WithAttention = False,
    document_format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="Format; by default by the file's name.", rich_help_panel=DOCUMENTS
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Columns of a table, by name or number; of JSON lines and Parquet as --input, the one of the texts.",
            rich_help_panel=DOCUMENTS,
        ),
    ] = None,
    into: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="New column of JSON lines and Parquet, for the translations.",
            rich_help_panel=DOCUMENTS,
        ),
    ] = "translation",
    retranslate: Annotated[
        bool, typer.Option("--retranslate", help="Replace existing translations.", rich_help_panel=DOCUMENTS)
    ] = False,
    fuzzy: Annotated[
        bool, typer.Option("--fuzzy", help="Mark translations as to be reviewed.", rich_help_panel=DOCUMENTS)
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BUNDLE",
            help="A folder or a shipped bundle; several form an ensemble. With --server, the name of its model.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Translate with a running server.", rich_help_panel=MODEL),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Translate on a Ray cluster, or local: --input is a pattern of files, --output a folder of parts.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    precision: Precision = "auto",
    device: Device = "cpu",
    use_shortlist: UseShortlist = False,
    language_model: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="A language model that has a say in the search; give it a --fusion-weight.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    warnings: Annotated[
        bool,
        typer.Option("--warnings", help="Say on standard error what may be wrong, such as a figure that differs."),
    ] = False,
    split: Split = True,
    join_lines: JoinLines = True,
    protect: Protect = True,
    localize_figures: LocalizeFigures = False,
    terms: Terms = None,
    *,
    options: "SearchOptions",
) -> None:
    """Translate texts, documents, or the lines of a file or of standard input.

    Writes one line per text. With --n-best, one line per translation: the text's number, TAB, score, TAB, translation.
    With --json, one object per text.

    Without --to, the target is what the model translates the text's language to.

    A document is named like a text: report.po becomes report.de.po; everything but its texts stays as it is.

    If the output is a file, the same command continues an interrupted job.
    """
    from dragoman.translation.batch.source import Task

    records = columns_of_records(input_path, output_path, columns, into)
    names = tuple(filter(None, (columns or "").split(","))) if records is None else ()
    arguments = DocumentArguments(document_format, names, retranslate, fuzzy)
    documents = find_documents(texts or (), arguments)
    if texts and input_path is not None:
        raise InvalidInputError("give either TEXT to translate, or --input FILE")
    if not texts and input_path is None and sys.stdin is not None and sys.stdin.isatty():
        raise InvalidInputError("give TEXT to translate, --input FILE, or lines on standard input")
    for number, text in enumerate(texts or (), start=1):
        if not text.isascii() and text != text.encode(errors="replace").decode():
            raise InvalidInputError(f"TEXT {number}: is not UTF-8")
    if (alignment or attention) and not as_json:
        raise InvalidInputError("--alignment and --attention need --json")
    if shard is not None and (input_path is None or output_path is None):
        raise InvalidInputError("--shard needs --input FILE and --output FILE")
    if records is not None and (as_json or options.n_best > 1):
        raise InvalidInputError("--json and --n-best do not go with records: a column holds one translation")
    if shard is not None and input_path is not None:
        from dragoman.translation.batch.records import is_parquet

        if is_parquet(input_path):
            raise InvalidInputError("--shard divides files of lines, not Parquet")
    is_job = not texts and output_path is not None and not is_stream(output_path)
    if is_job and options.n_best > 1 and not as_json:
        raise InvalidInputError(
            "--n-best into a file needs --json: line N of the output belongs to line N of the input"
        )
    if output_path is not None and not is_job and not overwrite:
        refuse_to_replace(output_path)
    if server is not None and (precision != "auto" or device != "cpu" or use_shortlist or len(model or ()) > 1):
        raise InvalidInputError("--precision, --device, --shortlist and a second --model do not go with --server")
    if ray is not None and (
        server is not None or shard is not None or as_json or warnings or options.n_best > 1 or texts
    ):
        raise InvalidInputError("--ray does not go with TEXT, --server, --shard, --json, --n-best and --warnings")
    if ray is not None and to is None:
        raise InvalidInputError("--ray needs --to LANGUAGE")
    if (language_model is None) != (not options.fusion_weight) and server is None:
        raise InvalidInputError("--language-model BUNDLE and --fusion-weight go together: 0.1 to 0.3 is usual")
    if language_model is not None and (server is not None or ray is not None):
        raise InvalidInputError("--language-model goes neither with --server, which has its own, nor with --ray")
    list_directions = cache(lambda: _list_directions(server, model))
    if to is None:
        sample = _sample(texts or (), documents, arguments, input_path, records)
        to = choose_target(list_directions(), source_language, sample)
    task = Task(
        to=to,
        source_language=source_language,
        options=options,
        split_sentences=split,
        join_lines=join_lines,
        protect=protect,
        localize_figures=localize_figures,
        terms=None if terms is None else _read_terms(terms),
        with_pieces=as_json,
        with_alignment=alignment,
        with_attention=attention,
    )
    if ray is not None:
        loading = {"precision": precision, "device": device, "use_shortlist": use_shortlist}
        translate_on_ray(ray, input_path, output_path, model or [DEFAULT_BUNDLE], records, task, loading)
        return
    open_source = _source_opener(server, model, precision, device, use_shortlist, language_model)
    if warnings:
        open_source = _with_warnings(open_source)
    if documents:
        translate_documents(documents, output_path, open_source, task, arguments, overwrite=overwrite)
        return
    with open_source(task) as source:
        lines = input_path or STANDARD_STREAM
        if is_job and output_path is not None:
            from dragoman.translation.batch.records import is_parquet
            from dragoman.translation.batch.shards import read_shard

            part = None if shard is None else read_shard(shard, os.environ)
            if records is not None and is_parquet(lines):
                translate_parquet_file(source, lines, output_path, records, overwrite=overwrite)
                return
            job = FileJob(lines, output_path, task, as_json, overwrite, records, part)
            translate_file(source, job)
            return
        encode = _encoder(task, as_json=as_json, keep_breaks=bool(texts))
        with open_output(output_path) as output:
            if texts:
                known = list_directions() if server is None else ()
                output.writelines(map(encode, name_unchanged(source.translate_stream(texts), to, known)))
            else:
                from dragoman.translation.batch.job import translate_lines

                translate_lines(lines, output, source.translate_stream, encode)


def _read_terms(path: Path) -> "Glossary":
    from dragoman.translation.terms.reading import read_glossary

    return read_glossary(path)


def _sample(
    texts: Sequence[str],
    documents: Sequence[Path],
    arguments: DocumentArguments,
    input_path: Path | None,
    columns: "Columns | None",
) -> Iterator[str]:
    """Texts to be translated, for their language; none of a stream, which can be read once."""
    from dragoman.translation.batch.lines import read_lines
    from dragoman.translation.batch.records import sample_records

    if documents:
        yield from sample_texts(documents, arguments)
    elif texts:
        yield from texts
    elif input_path is not None and columns is not None:
        yield from sample_records(input_path, columns)
    elif input_path is not None and input_path.is_file():
        yield from read_lines(input_path)


def _list_directions(server: str | None, model: list[str] | None) -> "Sequence[Direction]":
    """The directions of the model, or of all models of a server if none is named."""
    if server is not None:
        from dragoman.server.client.batch_source import remote_directions

        return remote_directions(server, model[0] if model else None)
    from dragoman.model.bundle import find_bundle, read_config

    return read_config(find_bundle(model[0] if model else DEFAULT_BUNDLE)).directions


def _with_warnings(open_source: "OpenSource") -> "OpenSource":
    """Sources that write the warnings of each translation to standard error."""
    from dragoman.translation.batch.formats import warnings_to_lines

    @contextmanager
    def open_speaking(task: "Task") -> Iterator["TranslationSource"]:
        with open_source(task) as source:

            def translate(texts: Iterable[str]) -> Iterator["Translation"]:
                translations = source.translate_stream(texts)
                try:
                    for translation in translations:
                        for line in warnings_to_lines(translation):
                            typer.echo(f"warning: {line}", err=True)
                        yield translation
                finally:
                    if isinstance(translations, Generator):
                        translations.close()

            yield replace(source, translate_stream=translate)

    return open_speaking


def _source_opener(
    server: str | None,
    model: list[str] | None,
    precision: "Precision",
    device: str,
    use_shortlist: bool,
    language_model: str | None,
) -> "OpenSource":
    """Opens sources of translations on a server, or with bundles that are loaded with the first."""
    if server is not None:
        from dragoman.server.client.batch_source import remote_source

        return lambda task: remote_source(server, model[0] if model else None, task)

    from dragoman.translation.batch.source import local_source

    @cache
    def load() -> "Translator":
        from dragoman.translation.translator import Translator

        return Translator.load(
            model or [DEFAULT_BUNDLE],
            precision=precision,
            device=device,
            use_shortlist=use_shortlist,
            language_model=language_model,
        )

    loaded_with: dict[str, Scalar] = {"precision": precision, "device": device, "shortlist": use_shortlist}
    return lambda task: nullcontext(local_source(load(), task, loaded_with))


def _encoder(task: "Task", *, as_json: bool, keep_breaks: bool) -> "Callable[[Translation], bytes]":
    """keep_breaks: whether to keep line breaks within a translation."""

    from dragoman.translation.batch.formats import translation_to_json, translation_to_tsv

    numbers = itertools.count(1)

    def encode(translation: "Translation") -> bytes:
        if as_json:
            line = translation_to_json(translation, attention=task.with_attention)
        elif task.options.n_best > 1:
            line = translation_to_tsv(next(numbers), translation)
        elif keep_breaks:
            line = translation.text
        else:
            return encode_line(translation.text)
        return f"{line}\n".encode()

    return encode

"""The part of `dragoman translate` that translates documents."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import is_stream, open_output, read_bytes, refuse_to_replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.translation.batch.source import Task, TranslationSource


@dataclass(frozen=True, slots=True)
class DocumentArguments:
    """What the command line says of documents, see `dragoman translate --help`."""

    document_format: str | None = None
    columns: tuple[str, ...] = ()
    retranslate: bool = False
    mark_fuzzy: bool = False

    @property
    def is_empty(self) -> bool:
        return self == DocumentArguments()


def find_documents(texts: Sequence[str], arguments: DocumentArguments) -> list[Path]:
    """The arguments that are documents: all, or none.

    Raises InvalidInputError if some are, if options of documents go with texts, and for the name of a document that is
    not there: a mistyped name must not pass as a text.
    """
    if arguments.is_empty and not any(Path(text).suffix for text in texts):
        return []
    from dragoman.translation.documents.opening import find_format

    def is_document(text: str) -> bool:
        try:
            return (arguments.document_format is not None or find_format(text) is not None) and Path(text).is_file()
        except (OSError, ValueError):  # longer than a name may be, or with a NUL
            return False

    found = [Path(text) for text in texts if is_document(text)]
    if not found and not arguments.is_empty:
        raise InvalidInputError(
            "--format, --columns, --retranslate and --fuzzy need the name of a document as argument"
        )
    for text in texts if not found else ():
        if find_format(text) is not None and not any(map(str.isspace, text)) and "://" not in text:
            raise InvalidInputError(f"{text}: no such file; to translate the name itself, send it to standard input")
    if found and len(found) < len(texts):
        other = next(text for text in texts if not is_document(text))
        raise InvalidInputError(f'"{found[0]}" is a document, but "{other[:60]}" is none; translate them one by one')
    return found


def sample_texts(documents: Sequence[Path], arguments: DocumentArguments) -> Iterator[str]:
    """The texts of documents, in order. Raises what `open_document` raises."""
    from dragoman.translation.documents.document import MAX_DOCUMENT_BYTES, DocumentOptions
    from dragoman.translation.documents.opening import open_document

    options = DocumentOptions("", "", columns=arguments.columns)
    for path in documents:
        content = read_bytes(path, MAX_DOCUMENT_BYTES)
        for segment in open_document(content, arguments.document_format, str(path), options).segments:
            yield segment.text


def name_output(document: Path, target_language: str, source_language: str | None) -> Path:
    """Beside the document, with the language before the extension, where that of the source may stand: report.de.po
    for report.po, de.json for en.json."""
    stem, suffix = document.stem, document.suffix.replace(".pot", ".po")
    for name in (source_language, "en") if source_language else ("en",):
        if name and (stem == name or stem.endswith((f".{name}", f"_{name}", f"-{name}"))):
            return document.with_name(f"{stem[: -len(name)]}{target_language}{suffix}")
    return document.with_name(f"{stem}.{target_language}{suffix}")


def translate_documents(
    documents: Sequence[Path],
    output_path: Path | None,
    open_source: "Callable[[Task], AbstractContextManager[TranslationSource]]",
    task: "Task",
    arguments: DocumentArguments,
    *,
    overwrite: bool,
) -> None:
    """Translate documents, each into a file of its own. open_source: of translations for a task."""
    from dragoman.translation.batch.document_job import run_document_job
    from dragoman.translation.batch.job import show_progress
    from dragoman.translation.documents.document import MAX_DOCUMENT_BYTES, DocumentOptions
    from dragoman.translation.documents.opening import open_document
    from dragoman.translation.documents.translating import join_streams, translate_segments
    from dragoman.translation.languages import as_tag

    if output_path is not None and len(documents) > 1:
        raise InvalidInputError("--output is for one document; several are written beside the originals")
    if task.options.n_best > 1 or task.with_pieces:
        raise InvalidInputError("--n-best and --json do not go with documents")
    target = as_tag(task.to)
    outputs = [output_path or name_output(path, target, task.source_language) for path in documents]
    for path, output in zip(documents, outputs, strict=True):
        if output.exists() and not is_stream(output) and output.samefile(path):
            raise InvalidInputError(f"{output}: is the document itself; choose another name for the output")
        if not overwrite:
            refuse_to_replace(output)
    options = DocumentOptions(task.source_language or "", target, arguments.mark_fuzzy, arguments.columns)
    contents = [read_bytes(path, MAX_DOCUMENT_BYTES) for path in documents]
    opened = [
        open_document(content, arguments.document_format, str(path), options)
        for path, content in zip(documents, contents, strict=True)
    ]  # before a model is loaded
    with ExitStack() as stack:
        plain = stack.enter_context(open_source(task))
        if plain.source_language != options.source_language:  # formats want to know it
            options = replace(options, source_language=plain.source_language)
            opened = [
                open_document(content, arguments.document_format, str(path), options)
                for path, content in zip(documents, contents, strict=True)
            ]
        aligned = stack.enter_context(open_source(replace(task, with_attention=True, with_pieces=True)))
        translate = join_streams(plain.translate_stream, aligned.translate_stream)
        for path, output, content, document in zip(documents, outputs, contents, opened, strict=True):
            if is_stream(output):
                found = list(
                    translate_segments(
                        document.segments, translate, plain.source_language, retranslate=arguments.retranslate
                    )
                )
                with open_output(output) as stream:
                    stream.write(document.render(found))
                continue
            parameters = plain.find_parameters() | {
                "format": arguments.document_format,
                "columns": ",".join(arguments.columns),
                "fuzzy": arguments.mark_fuzzy,
            }
            with show_progress(unit="segments") as on_progress:
                summary = run_document_job(
                    content,
                    document,
                    output,
                    translate,
                    language=plain.source_language,
                    retranslate=arguments.retranslate,
                    parameters=parameters,
                    overwrite=overwrite,
                    on_progress=on_progress,
                )
            resumed = f", {summary.num_resumed:,} of them before" if summary.num_resumed else ""
            typer.echo(f"{output}: {summary.num_lines:,} segments of {path}{resumed}", err=True)

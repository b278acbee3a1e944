"""The part of `dragoman translate` that translates files of lines and records, here or on a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import is_stream, refuse_to_replace

if TYPE_CHECKING:
    from dragoman.translation.batch.progress import Scalar
    from dragoman.translation.batch.records import Columns
    from dragoman.translation.batch.shards import Shard
    from dragoman.translation.batch.source import Task, TranslationSource
    from dragoman.translation.results import Translation


@dataclass(frozen=True, slots=True)
class FileJob:
    """A batch job as the command line asks for it. columns: of records. shard: the part of the input to translate."""

    input_path: Path
    output_path: Path
    task: "Task"
    as_json: bool
    overwrite: bool
    columns: "Columns | None"
    shard: "Shard | None"


def translate_file(source: "TranslationSource", job: FileJob) -> None:
    """Translate the lines or records of a file into a file; raises what `run_batch_job` raises."""
    from dragoman.translation.batch.formats import translation_to_json
    from dragoman.translation.batch.job import run_batch_job, show_progress

    task, columns = job.task, job.columns

    def write(translation: "Translation") -> str:
        return translation_to_json(translation, attention=task.with_attention) if job.as_json else translation.text

    written: dict[str, Scalar] = {
        "as_json": job.as_json,
        "with_alignment": task.with_alignment,
        "with_attention": task.with_attention,
    }
    if columns is not None:
        written |= {"column": columns.source, "into": columns.target}
    with show_progress() as on_progress:
        summary = run_batch_job(
            job.input_path,
            job.output_path,
            source.translate_stream,
            parameters=source.find_parameters() | written,
            write=write,
            overwrite=job.overwrite,
            columns=columns,
            shard=job.shard,
            on_progress=on_progress,
        )
    resumed = f", {summary.num_resumed:,} of them before" if summary.num_resumed else ""
    output_path = job.output_path if job.shard is None else job.shard.path(job.output_path)
    typer.echo(f"{output_path}: {summary.num_lines:,} lines translated{resumed}", err=True)


def columns_of_records(
    input_path: Path | None, output_path: Path | None, columns: str | None, into: str
) -> "Columns | None":
    """The columns to read and to write if the input is JSON lines or Parquet."""
    if input_path is None:
        return None
    from dragoman.translation.batch.records import Columns, is_json_lines, is_parquet

    if not (is_json_lines(input_path) or is_parquet(input_path)):
        return None
    if not columns:
        raise InvalidInputError(f"{input_path}: name the column of its texts, such as --columns text")
    if output_path is None or is_stream(output_path):
        raise InvalidInputError(f"{input_path}: needs --output FILE")
    return Columns(columns, into)


def translate_parquet_file(
    source: "TranslationSource", input_path: Path, output_path: Path, columns: "Columns", *, overwrite: bool
) -> None:
    """Translate a column of a Parquet file into a new one; raises what `translate_parquet` raises."""
    from dragoman.translation.batch.job import JobProgress, show_progress
    from dragoman.translation.batch.records import translate_parquet

    if output_path.exists() and output_path.samefile(input_path):
        raise InvalidInputError(f"{output_path}: is the input as well; choose another name for the output")
    if not overwrite:
        refuse_to_replace(output_path)
    with show_progress(unit="rows") as on_progress:

        def show(num_rows: int, total: int) -> None:
            if on_progress is not None:
                on_progress(JobProgress(num_rows, 0, num_rows, total))

        num_rows = translate_parquet(input_path, output_path, source.translate_stream, columns, show)
    typer.echo(f"{output_path}: {num_rows:,} rows translated", err=True)


def translate_on_ray(
    address: str,
    input_path: Path | None,
    output_path: Path | None,
    models: Sequence[str],
    columns: "Columns | None",
    task: "Task",
    loading: Mapping[str, Any],
) -> None:
    """Translate the files that match a pattern into a folder of parts; raises what `translate_files` raises."""
    if input_path is None or output_path is None:
        raise InvalidInputError("--ray needs --input 'FOLDER/*.parquet' and --output FOLDER")
    pattern, folder = _as_address(input_path), _as_address(output_path)
    paths = [pattern] if "://" in pattern else sorted(glob(pattern))
    if not paths:
        raise InvalidInputError(f"{pattern}: there are no such files")
    if "://" not in folder and output_path.exists() and (not output_path.is_dir() or any(output_path.iterdir())):
        raise InvalidInputError(f"{output_path}: exists already; choose another folder for the parts")

    from dragoman.ray import translate_files

    arguments: dict[str, Any] = {"column": columns.source, "into": columns.target} if columns else {}
    num_rows = translate_files(
        [path if "://" in path else str(Path(path).absolute()) for path in paths],
        folder if "://" in folder else str(output_path.absolute()),
        address=address,
        to=task.to,
        source_language=task.source_language,
        model=list(models),
        options=task.search,
        loading=loading,
        split_sentences=task.split_sentences,
        join_lines=task.join_lines,
        protect=task.protect,
        terms=task.terms,
        **arguments,
    )
    typer.echo(f"{folder}: {num_rows:,} rows translated", err=True)


def _as_address(path: Path) -> str:
    """The path as it was given: a Path makes one slash of the two of s3://."""
    text = str(path)
    scheme, colon, rest = text.partition(":/")
    return f"{scheme}://{rest.lstrip('/')}" if colon and scheme.isalnum() and len(scheme) > 1 else text

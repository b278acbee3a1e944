"""Translation on a Ray cluster: a class for `Dataset.map_batches`, and folders of files.

    import ray, dragoman.ray
    dataset = ray.data.read_parquet("s3://corpus/")
    dataset.map_batches(dragoman.ray.Translate, batch_format="pyarrow", concurrency=(1, 64), num_cpus=1,
                        fn_constructor_kwargs={"to": "de", "column": "text"}).write_parquet("s3://translated/")

Ray starts and ends the actors, repeats the batches of a lost node, and holds reading back while translating is behind.
Translations do not depend on their batch-mates, so those of a cluster are, to the bit, those of one process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data.datasource import BlockBasedFileDatasink, FileBasedDatasource, FilenameProvider
from ray.exceptions import RayTaskError
from ray.util import ActorPool

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.translation.batch.lines import decode_line, encode_line
from dragoman.translation.batch.records import Columns, is_json_lines, is_parquet, read_text, write_record
from dragoman.translation.batch.source import Task, TranslationSource
from dragoman.translation.results import Translation
from dragoman.translation.translator import Translator

if TYPE_CHECKING:
    from ray.data.block import BlockAccessor
    from ray.data.datasource import WriteResult


ROWS = 1024
"""Rows of a batch: some seconds of work, the most that is done again when a node is lost."""

LINE = "line"
"""The column of the lines of a text file, as bytes."""

_BLOCK_BYTES = 1 << 20


class Translate:
    """Adds a column of translations to batches of the format "pyarrow". Give the class to `Dataset.map_batches`, and
    its arguments as `fn_constructor_kwargs`. An actor loads the model once."""

    def __init__(
        self,
        *,
        to: str,
        model: str | Sequence[str] = "en-de",
        source_language: str | None = None,
        column: str = "text",
        into: str = "translation",
        options: SearchOptions | None = None,
        loading: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        """loading: arguments of `Translator.load`, such as {"precision": "int8"}. arguments: of `Translator.stream`,
        such as split_sentences, protect and terms.

        Raises what loading a model raises, and NotFoundError for languages between which it does not translate.
        """
        self._translator = Translator.load([model] if isinstance(model, str) else list(model), **(loading or {}))
        self._direction = self._translator.find_direction(source_language, to)
        self._columns = Columns(column, into)
        self._options = options or SearchOptions()
        self._arguments = arguments

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        texts = batch.column(self._columns.source).to_pylist()
        found = self._translate([text or "" for text in texts])
        written = [None if text is None else translation.text for text, translation in zip(texts, found, strict=True)]
        return batch.append_column(self._columns.target, pyarrow.array(written, pyarrow.string()))

    def _translate(self, texts: Sequence[str]) -> list[Translation]:
        return list(self._translator.stream(texts, self._direction, self._options, **self._arguments))


def on_ray(
    source: TranslationSource,
    task: Task,
    model: Sequence[str],
    *,
    address: str,
    loading: Mapping[str, Any] | None = None,
    num_cpus: float = 1,
    max_actors: int | None = None,
) -> TranslationSource:
    """A source with the same translations, which the actors of a cluster make.

    address: of the cluster, or "local". num_cpus: processors of an actor. max_actors: at most so many; by default as
    many as there are processors for. Rows are read and given back in order, as the actors need them; those of a lost
    node are translated again.

    Raises DragomanError if there is no cluster.
    """
    _connect(address)
    arguments = {
        "to": task.to,
        "source_language": task.source_language,
        "model": list(model),
        "options": task.search,
        "loading": loading,
        "split_sentences": task.split_sentences,
        "join_lines": task.join_lines,
        "protect": task.protect,
        "localize_figures": task.localize_figures,
        "terms": task.terms,
    }
    room = max(1, int(ray.cluster_resources().get("CPU", 1) / num_cpus))
    count = room if max_actors is None else min(room, max_actors)
    # A lost actor starts anew on a node that is left, and Ray calls it again with what it had not answered.
    kind = ray.remote(num_cpus=num_cpus, max_restarts=-1, max_task_retries=-1)(_TranslateTexts)
    actors: list[Any] = []

    def translate_stream(texts: Iterable[str]) -> Iterator[Translation]:
        if not actors:
            actors.extend(kind.remote(**arguments) for _ in range(count))
        return _translate_in_order(actors, texts)

    return replace(source, translate_stream=translate_stream)


def _translate_in_order(actors: Sequence[Any], texts: Iterable[str]) -> Iterator[Translation]:
    """Each actor has a batch to work at and one that waits; no more of the texts are read."""
    pool, num_waiting = ActorPool(list(actors)), 0
    remaining = iter(texts)
    try:
        while True:
            while num_waiting < 2 * len(actors) and (batch := list(islice(remaining, ROWS))):
                pool.submit(lambda actor, rows: actor.translate.remote(rows), batch)
                num_waiting += 1
            if not num_waiting:
                return
            found: list[Translation] = pool.get_next()
            num_waiting -= 1
            yield from found
    except RayTaskError as error:
        cause = error.cause
        raise cause if isinstance(cause, DragomanError) else error from None


class _TranslateTexts(Translate):
    """Translates texts into whole translations."""

    def translate(self, texts: list[str]) -> list[Translation]:
        """In their order."""
        return self._translate(texts)


class _TranslateLines(Translate):
    """Translates lines of text, or one column of lines of JSON."""

    def __init__(self, *, is_json: bool, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._is_json = is_json

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        lines = [decode_line(line) for line in batch.column(LINE).to_pylist()]
        found = self._translate([read_text(line, self._columns) for line in lines] if self._is_json else lines)
        written = [
            write_record(line, translation, self._columns).encode() + b"\n"
            if self._is_json
            else encode_line(translation.text)
            for line, translation in zip(lines, found, strict=True)
        ]
        return pyarrow.table({LINE: pyarrow.array(written, pyarrow.binary())})


def translate_files(
    paths: Sequence[str],
    output: str,
    *,
    address: str,
    num_cpus: float = 1,
    max_actors: int | None = None,
    **arguments: Any,
) -> int:
    """Translate files of one format, text, JSON lines or Parquet, and return the number of their rows.

    output:     the folder of the parts, which follow the order of the files and rows: part-000000.parquet and so on.
                Paths and the folder are local or of a store that pyarrow knows, such as s3://bucket/folder.
    address:    of the cluster, or "local".
    num_cpus:   processors of an actor. max_actors: at most so many; by default as many as the cluster has room for.
    arguments:  of `Translate`.

    Raises InvalidInputError for files of several formats; DragomanError if there is no cluster; RayTaskError for what
    the actors raise.
    """
    suffix = _common_suffix(paths)
    _connect(address)
    DataContext.get_current().execution_options.preserve_order = True
    how: dict[str, Any] = {
        "batch_format": "pyarrow",
        "batch_size": ROWS,
        "num_cpus": num_cpus,
        "compute": ActorPoolStrategy(min_size=1, max_size=max_actors),
    }
    parts = _Parts(suffix)
    if suffix == ".parquet":
        rows = ray.data.read_parquet(list(paths))
        rows.map_batches(Translate, fn_constructor_kwargs=arguments, **how).write_parquet(
            output, filename_provider=parts
        )
        return int(ray.data.read_parquet(output).count())  # of the metadata
    lines = ray.data.read_datasource(_Lines(list(paths)))
    arguments["is_json"] = suffix == ".jsonl"
    sink = _WriteLines(output, filename_provider=parts)
    lines.map_batches(_TranslateLines, fn_constructor_kwargs=arguments, **how).write_datasink(sink)
    return sink.num_rows


def _connect(address: str) -> None:
    try:
        ray.init(address=None if address == "local" else address, ignore_reinit_error=True, log_to_driver=False)
    except ConnectionError as error:
        raise DragomanError(f"--ray {address}: no Ray cluster can be reached there: {error}") from error


def _common_suffix(paths: Sequence[str]) -> str:
    suffixes = {
        ".parquet" if is_parquet(Path(path)) else ".jsonl" if is_json_lines(Path(path)) else ".txt" for path in paths
    }
    if len(suffixes) != 1:
        raise InvalidInputError(f"--input: files of several formats, {', '.join(sorted(suffixes))}; give those of one")
    return suffixes.pop()


class _Lines(FileBasedDatasource):
    """The lines of files, of which a line feed alone ends one. Blocks are small, so that a large file is divided."""

    def _read_stream(self, f: "pyarrow.NativeFile", path: str) -> Iterator[pyarrow.Table]:
        rest = b""
        while chunk := f.read(_BLOCK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            yield _table(lines)
        if rest:
            yield _table([rest])


def _table(lines: list[bytes]) -> pyarrow.Table:
    return pyarrow.table({LINE: pyarrow.array(lines, pyarrow.binary())})


class _WriteLines(BlockBasedFileDatasink):
    num_rows = 0
    """Rows that were written, when all are."""

    def on_write_complete(self, write_result: "WriteResult[None]") -> None:
        """See `Datasink`."""
        super().on_write_complete(write_result)
        self.num_rows = write_result.num_rows

    def write_block_to_file(self, block: "BlockAccessor", file: "pyarrow.NativeFile") -> None:
        for line in block.to_arrow().column(LINE).to_pylist():
            file.write(line)


class _Parts(FilenameProvider):
    """Names the parts by their place, so that a part that is written again replaces itself."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix

    def get_filename_for_task(self, write_uuid: str, task_index: int) -> str:
        """See `FilenameProvider`."""
        return f"part-{task_index:06}{self._suffix}"

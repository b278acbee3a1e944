"""Translate a file line by line, and after a kill at any moment continue where it stopped."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dragoman.model.errors import DragomanError, InvalidInputError, InvalidRequestError, InvalidTextError
from dragoman.translation.batch.lines import LineInput, decode_line, encode_line
from dragoman.translation.batch.progress import JobFiles, Journal, Parameters
from dragoman.translation.batch.records import Columns, read_text, write_record
from dragoman.translation.batch.shards import Receipt, Shard, read_receipt, write_receipt
from dragoman.translation.results import Translation

if TYPE_CHECKING:
    from rich.console import Console

CHECKPOINT_SECONDS = 1.0
"""Seconds between checkpoints, about the most work that a kill costs; each syncs two small files to the disk."""

TranslateStream = Callable[[Iterable[str]], Iterator[Translation]]
"""Translates texts in order, reading them as it needs them: of a local translator or of a client."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A job's progress: lines translated by all its runs and by earlier ones; bytes read of the input, if a file."""

    num_lines: int
    num_resumed: int
    num_bytes_read: int
    num_bytes: int | None


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A finished job: lines of the output, and how many of them are from earlier runs."""

    num_lines: int
    num_resumed: int


def run_batch_job(
    input_path: Path,
    output_path: Path,
    translate_stream: TranslateStream,
    *,
    parameters: Parameters,
    write: Callable[[Translation], str] = lambda translation: translation.text,
    overwrite: bool = False,
    columns: Columns | None = None,
    shard: Shard | None = None,
    make_output: Callable[[Path], None] | None = None,
    on_progress: Callable[[JobProgress], None] | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> JobSummary:
    """Write the translation of every line of the input as one line of the output, in order.

    input_path:  UTF-8, plain or .gz; "-" is standard input. A line ends at "\\n" alone, or "\\r\\n"; every line of the
                 output ends in "\\n". A pipe works too, but its job cannot be continued.
    output_path: appears only when it is complete; until then the work is in `<output>.partial`, see `job_progress`.
    parameters:  everything that the output depends on; a job is continued only with the same.
    write:       the line for a translation; by default its best hypothesis. Line breaks in it become spaces.
    overwrite:   replace an existing output, at the end; otherwise it is refused.
    columns:     of an input of JSON lines, whose lines get the translation as a column; `write` is not used.
    shard:       translate this part alone, into a file of its own, see `Shard.path`, with a receipt for `join_shards`.
                 A finished shard stays as it is, so that a scheduler may start it again.
    make_output: called with the file of all lines, from which it makes the output; after a kill it is called again.
    on_progress: called after every line, on the caller's thread.

    Running it again after a crash, or after an error, continues; lines are neither lost nor doubled.

    Raises InvalidInputError naming file and line for invalid UTF-8 and for a text that the translator refuses, and
    naming the file if it was begun with other parameters or another input; what the translator raises otherwise,
    InvalidRequestError among it; DragomanError if the disk is full.
    """
    with ExitStack() as stack:
        source = stack.enter_context(LineInput(input_path, shard=shard))
        if shard is not None:
            output_path = shard.path(output_path)
            receipt = read_receipt(output_path) if output_path.exists() and not overwrite else None
            if receipt is not None:
                return _keep_finished(output_path, receipt, source, parameters)
        if source.is_resumable and output_path.exists() and output_path.samefile(input_path):
            raise InvalidInputError(f"{output_path}: is the input as well; choose another name for the output")
        files = stack.enter_context(
            JobFiles(output_path, parameters, is_resumable=source.is_resumable, overwrite=overwrite)
        )
        job = _BatchJob(
            source,
            shard,
            files,
            translate_stream,
            lambda translation: encode_line(write(translation)),
            on_progress,
            checkpoint_seconds,
            columns,
        )
        job.skip_translated(files)
        job.translate_rest()
        if shard is not None:
            write_receipt(output_path, job.receipt(parameters))
        files.complete(make_output)
    return JobSummary(job.num_lines, job.num_resumed)


def _keep_finished(output_path: Path, receipt: Receipt, source: LineInput, parameters: Parameters) -> JobSummary:
    """The summary of a finished shard; InvalidInputError if it is of another job."""
    checksum = hashlib.sha256()
    for line in source:
        checksum.update(line)
    now = Receipt(receipt.num_lines, checksum.hexdigest(), source.num_file_bytes, dict(parameters))
    if now != receipt:
        raise InvalidInputError(f"{output_path}: exists already, of another input or with other options; overwrite it")
    return JobSummary(receipt.num_lines, receipt.num_lines)


def translate_lines(
    input_path: Path, output: BinaryIO, translate_stream: TranslateStream, encode: Callable[[Translation], bytes]
) -> None:
    """Write what `encode` makes of the translation of every line as soon as it is known, in order.

    Of a pipe or a terminal, the lines that have arrived are translated before the next one is waited for.

    Raises what `run_batch_job` raises for its input.
    """
    with LineInput(input_path) as source:
        job = _BatchJob(source, None, _Stream(output), translate_stream, encode, None, CHECKPOINT_SECONDS)
        job.translate_rest()


class _Stream:
    """Takes the place of `JobFiles` where nothing is kept."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output

    def append(self, line: bytes) -> None:
        self._output.write(line)
        self._output.flush()

    def checkpoint(self, num_lines: int, input_sha256: str) -> None:
        """Nothing to do."""


class _BatchJob:
    """One run of a job: `num_lines` lines are translated and appended, and `checksum` covers their sources."""

    def __init__(
        self,
        source: LineInput,
        shard: Shard | None,
        files: JobFiles | _Stream,
        translate_stream: TranslateStream,
        encode: Callable[[Translation], bytes],
        on_progress: Callable[[JobProgress], None] | None,
        checkpoint_seconds: float,
        columns: Columns | None = None,
    ) -> None:
        self.num_lines = 0
        self.num_resumed = 0
        self._source = source
        self._shard = shard
        self._lines = iter(source)
        self._files = files
        self._translate_stream = translate_stream
        self._encode = encode
        self._columns = columns
        self._on_progress = on_progress
        self._checkpoint_seconds = checkpoint_seconds
        self._checksum = hashlib.sha256()
        self._pending: deque[tuple[bytes, str]] = deque()  # read by the translator, but not yet translated
        self._read_error: DragomanError | None = None
        self._has_read_all = False
        self._next_checkpoint = 0.0

    def skip_translated(self, files: JobFiles) -> None:
        """Goes to where the job goes on; InvalidInputError if the input up to the last checkpoint has changed."""
        self.num_resumed = files.resume()
        if files.journal is not None:
            self._refuse_other_input(files.journal, files.explain_start_over())
        for line in islice(self._lines, self.num_resumed):
            self._checksum.update(line)
        self.num_lines = self.num_resumed
        self._checkpoint()  # before the first new line, so that the journal is never another job's

    def translate_rest(self) -> None:
        """Translates until the input ends. After an error all that was translated is kept."""
        try:
            self._translate_stream_of_texts()
        except Exception:  # not Ctrl-C, which may come between a line and its checksum: then the last checkpoint holds
            self._checkpoint()
            raise
        self._checkpoint()

    def receipt(self, parameters: Parameters) -> Receipt:
        """Of the finished job."""
        return Receipt(self.num_lines, self._checksum.hexdigest(), self._source.num_file_bytes, dict(parameters))

    def _translate_stream_of_texts(self) -> None:
        try:
            while not self._has_read_all:
                self._append(self._translate_stream(self._read_texts()))
        except InvalidRequestError:  # no text is to blame
            raise
        except InvalidInputError:
            self._find_text_at_fault()
            raise
        if self._read_error is not None:
            raise self._read_error
        if self._pending:
            raise RuntimeError(f"the translator left out {len(self._pending)} texts")

    def _refuse_other_input(self, journal: Journal, remedy: str) -> None:
        checksum = hashlib.sha256()
        with LineInput(self._source.path, shard=self._shard) as source:
            for line in islice(source, journal.num_lines):
                checksum.update(line)
        if checksum.hexdigest() != journal.input_sha256:
            raise InvalidInputError(
                f"{self._source.name}: has changed within its first {journal.num_lines} lines since the job was begun; "
                f"put it back, or {remedy}"
            )

    def _read_texts(self) -> Iterator[str]:
        """Feeds the translator. An error only ends the input: the translator first finishes what it has."""
        has_begun = False
        try:
            while not has_begun or not isinstance(self._files, _Stream) or self._source.is_ready():
                line = next(self._lines, None)
                if line is None:
                    self._has_read_all = True
                    return
                has_begun = True
                text = self._read_text(line, self.num_lines + len(self._pending) + 1)
                self._pending.append((line, text))
                yield text
        except DragomanError as error:
            self._read_error, self._has_read_all = error, True

    def _read_text(self, line: bytes, number: int) -> str:
        text = self._source.decode(line, number)
        if self._columns is None:
            return text
        try:
            return read_text(text, self._columns)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self._source.name}, line {number}: {error}") from error

    def _write_line(self, line: bytes, translation: Translation) -> bytes:
        if self._columns is None:
            return self._encode(translation)
        return write_record(decode_line(line, is_first=True), translation, self._columns).encode() + b"\n"

    def _append(self, translations: Iterator[Translation]) -> None:
        """Appends the translations of the texts that are pending, in order."""
        try:
            for translation in translations:
                line, text = self._pending.popleft()
                if translation.source != text:
                    raise RuntimeError(f"the translator mixed up its texts at line {self.num_lines + 1}")
                self._files.append(self._write_line(line, translation))
                self._checksum.update(line)
                self.num_lines += 1
                if time.monotonic() >= self._next_checkpoint:
                    self._checkpoint()
                if self._on_progress is not None:
                    self._on_progress(self._progress())
        finally:
            if isinstance(translations, Generator):
                translations.close()  # gives up what it has in flight

    def _find_text_at_fault(self) -> None:
        """Translates one by one what was pending when the translator refused a text, and raises for that one."""
        while self._pending:
            _, text = self._pending[0]
            try:
                self._append(self._translate_stream([text]))
            except InvalidRequestError:
                raise
            except InvalidInputError as error:
                reason = error.reason if isinstance(error, InvalidTextError) else error
                raise InvalidInputError(f"{self._source.name}, line {self.num_lines + 1}: {reason}") from error

    def _checkpoint(self) -> None:
        self._files.checkpoint(self.num_lines, self._checksum.hexdigest())
        self._next_checkpoint = time.monotonic() + self._checkpoint_seconds

    def _progress(self) -> JobProgress:
        return JobProgress(self.num_lines, self.num_resumed, self._source.num_bytes_read, self._source.num_bytes)


@contextmanager
def show_progress(
    console: "Console | None" = None, *, unit: str = "lines"
) -> Iterator[Callable[[JobProgress], None] | None]:
    """Give an `on_progress` for `run_batch_job` that draws on standard error, or None if that is no terminal.

    The bar shows the share of the input's bytes that are read; of a pipe, whose size is unknown, only lines.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as display:
        task = display.add_task("Translating", total=None)

        def update(progress: JobProgress) -> None:
            lines = f"{progress.num_lines:,} {unit}"
            resumed = f" ({progress.num_resumed:,} from before)" if progress.num_resumed else ""
            display.update(
                task, description=lines + resumed, completed=progress.num_bytes_read, total=progress.num_bytes
            )

        yield update

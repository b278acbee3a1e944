"""The progress of a batch job, kept on disk so that it survives a kill at any moment.

Two files lie beside the output until it is complete:

- `<output>.partial`: the translations so far, one a line. It may end in the middle of a line.
- `<output>.journal`: JSON with the job's parameters, a number of lines, and the checksum of that many input lines.
  It is written aside, synced and renamed, and only after the translations it counts are on the disk: a journal is
  always complete, and never ahead of the partial file unless someone edited that.

A job continues after the number of lines that the journal counts, or that the partial file has complete if that is
less. Further content of the partial file is cut off and translated again.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Self

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import discard_asides, is_packed, open_output, sync_folder, try_lock

Scalar = str | int | float | bool | None

Parameters = Mapping[str, Scalar]
"""Parameters that must be unchanged to continue a job, as JSON scalars: languages, model, search options."""

_FORMAT = 1
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Journal:
    """A snapshot of the job: `num_lines` input lines, whose SHA-256 is `input_sha256`, are translated."""

    parameters: dict[str, Scalar]
    num_lines: int
    input_sha256: str


class JobFiles:
    """The output of an unfinished job. A context manager, which closes the files but never deletes progress.

    Raises InvalidInputError if the output exists and may not be overwritten, if another job writes it, and if the
    job that was begun has other parameters; NotFoundError if the output's folder is missing.
    """

    def __init__(self, output_path: Path, parameters: Parameters, *, is_resumable: bool, overwrite: bool) -> None:
        # Of a link, the file that it names: the link stays.
        self._output = Path(os.path.realpath(output_path)) if output_path.is_symlink() else output_path
        self._partial = self._output.with_name(self._output.name + ".partial")
        self._journal = self._output.with_name(self._output.name + ".journal")
        self._parameters = dict(parameters)
        self._is_resumable = is_resumable
        self._overwrite = overwrite
        self._stack = ExitStack()
        self._refuse_existing_output()
        if not self._output.parent.is_dir():
            raise NotFoundError(f"{self._output}: there is no folder {self._output.parent}")
        self._file = self._open_partial()
        try:
            self.journal = self._read_journal()
            """Where an earlier run stopped; None if there was none."""
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._disk_errors():  # closing flushes
            self._stack.close()

    def resume(self) -> int:
        """Cuts the partial file to where the job goes on, and returns the number of lines that are kept."""
        limit = self.journal.num_lines if self.journal else 0
        with self._disk_errors():
            num_lines, num_bytes = self._find_end_of_line(limit)
            self._file.truncate(num_bytes)
            self._file.seek(num_bytes)
        return num_lines

    def append(self, line: bytes) -> None:
        """Writes one line, its "\\n" included; buffered until `checkpoint`. DragomanError if the disk is full."""
        with self._disk_errors():
            self._file.write(line)

    def checkpoint(self, num_lines: int, input_sha256: str) -> None:
        """Makes what was appended survive a kill, and a power cut. DragomanError if the disk is full."""
        with self._disk_errors():
            self._file.flush()
            if self._is_resumable:
                os.fsync(self._file.fileno())
                self._write_journal(Journal(self._parameters, num_lines, input_sha256))

    def complete(self, make_output: Callable[[Path], None] | None = None) -> None:
        """Gives the output its name, now that it holds every line. DragomanError if that fails.

        make_output: is given the file with all lines, and makes of it what takes the output's place. After a kill it
                     is called again.
        """
        with self._disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            if make_output is None:
                self._refuse_existing_output()  # somebody may have made one in the meantime
            if make_output is None and not is_packed(self._output):
                self._partial.replace(self._output)
            else:
                (make_output or self._pack)(self._partial)
                self._partial.unlink()
            self._journal.unlink(missing_ok=True)
            sync_folder(self._output.parent)

    def _pack(self, lines: Path) -> None:
        discard_asides(self._output)
        with lines.open("rb") as file, open_output(self._output) as packed:
            shutil.copyfileobj(file, packed, _CHUNK_BYTES)

    def explain_start_over(self) -> str:
        """A hint on the files to delete to begin the job again."""
        return f"to start over, delete {self._partial} and {self._journal}"

    def _refuse_existing_output(self) -> None:
        if self._output.exists() and not self._overwrite:
            raise InvalidInputError(f"{self._output}: exists already; choose another name, or allow to overwrite it")
        if self._output.is_dir():
            raise InvalidInputError(f"{self._output}: is a folder")

    def _open_partial(self) -> BinaryIO:
        try:
            descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise DragomanError(f"{self._partial}: cannot be written: {error.strerror}") from error
        file = self._stack.enter_context(os.fdopen(descriptor, "r+b"))
        try:
            is_ours = try_lock(file)
            # Else the other job has just given it the output's name.
            is_ours = is_ours and os.path.samestat(os.fstat(descriptor), self._partial.stat())
        except OSError:
            is_ours = False
        if not is_ours:
            self._stack.close()
            raise InvalidInputError(f"{self._partial}: another job is writing it")
        return file

    def _read_journal(self) -> Journal | None:
        if os.fstat(self._file.fileno()).st_size == 0:
            # Nothing to lose. A journal beside it is from a job that was killed right after it renamed its output.
            self._journal.unlink(missing_ok=True)
            return None
        try:
            found = json.loads(self._journal.read_text("utf-8"))
            if found["format"] != _FORMAT:
                raise ValueError(f"its format is {found['format']}")
            journal = Journal(dict(found["parameters"]), int(found["num_lines"]), str(found["input_sha256"]))
        except FileNotFoundError:
            # A file's job has a journal before its first line, so this is left of a pipe's, or is a stranger's.
            if self._is_resumable:
                raise InvalidInputError(f"{self._partial}: has no journal to go on from; delete it") from None
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(f"{self._journal}: is not readable; {self.explain_start_over()}") from error
        if not self._is_resumable:
            raise InvalidInputError(f"{self._partial}: belongs to another job; {self.explain_start_over()}")
        self._refuse_other_parameters(journal.parameters)
        return journal

    def _write_journal(self, journal: Journal) -> None:
        aside = self._journal.with_name(self._journal.name + ".new")  # ours alone: we hold the partial file's lock
        with aside.open("w", encoding="utf-8") as file:
            json.dump({"format": _FORMAT, **asdict(journal)}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._journal)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DragomanError(
                f"{self._output}: cannot be written: {error.strerror or error}; what is translated so far is kept, "
                "and the same job goes on from there"
            ) from error

    def _refuse_other_parameters(self, begun_with: Parameters) -> None:
        for key in sorted({*begun_with, *self._parameters}):
            old, new = begun_with.get(key), self._parameters.get(key)
            if old != new:
                raise InvalidInputError(
                    f"{self._partial}: was begun with {key} = {json.dumps(old)}, now it is {json.dumps(new)}; "
                    f"go on with the former, or {self.explain_start_over()}"
                )

    def _find_end_of_line(self, max_lines: int) -> tuple[int, int]:
        """How many complete lines the partial file has, at most `max_lines`, and where the last one ends, in bytes."""
        num_lines = num_bytes = offset = 0
        for chunk in self._chunks():
            start = 0
            while num_lines < max_lines and (end := chunk.find(b"\n", start)) >= 0:
                num_lines, start = num_lines + 1, end + 1
                num_bytes = offset + start
            if num_lines == max_lines:
                break
            offset += len(chunk)
        return num_lines, num_bytes

    def _chunks(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            yield chunk

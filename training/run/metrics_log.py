"""What a run measures, kept for people and programs: metrics.jsonl and TensorBoard."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

from dragoman.model.errors import DragomanError
from dragoman.model.files import write_atomically
from dragoman.training.run.event_file import EventFile, write_whole


class MetricsLog:
    """Appends to `metrics.jsonl`, one JSON object a line with "update" and "kind", and to TensorBoard event files."""

    def __init__(self, folder: Path, *, resumed_update: int, validated_update: int | None = None) -> None:
        """What the file says of updates after `resumed_update`, which are about to be done again, is dropped; of
        validations, what it says of those after `validated_update`, if that is another. Raises DragomanError as
        `write`."""
        self._folder = folder
        self._path = folder / "metrics.jsonl"
        self._owed = b""  # lines that a full disk did not take
        validated = resumed_update if validated_update is None else validated_update
        self._drop_all_but(lambda line: _is_done(line, resumed_update, validated))
        self._open(resumed_update)

    def write(self, kind: str, update: int, values: Mapping[str, float | str]) -> None:
        """kind: "training", "validation" or, for what befell the run, "skipped" or "rollback". TensorBoard gets the
        numbers. Raises DragomanError when it cannot be written, as on a full disk; the next call then tries again."""
        line = json.dumps({"kind": kind, "update": update, **values}) + "\n"
        self._owed += line.encode()
        size = os.fstat(self._file.fileno()).st_size
        try:
            write_whole(self._file, self._owed)
            self._owed = b""
            scalars = {f"{kind}/{name}": value for name, value in values.items() if isinstance(value, int | float)}
            self._board.write(scalars, update)
        except OSError as error:
            if self._owed:
                with suppress(OSError):  # half a line is none
                    os.ftruncate(self._file.fileno(), size)
            raise DragomanError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def rewind(self, update: int, *, rollbacks: int) -> None:
        """Drops what is said of updates after the given one, which are done again with other data, and of rollbacks but
        for the first so many: a kill may have left a line of the one that is now told. Raises DragomanError as `write`.
        """
        self._drop_all_but(
            lambda line: (
                _is_done(line, update, update) and not (line["kind"] == "rollback" and line["number"] > rollbacks)
            )
        )
        self.close()
        self._open(update)

    def close(self) -> None:
        self._file.close()
        self._board.close()

    def _drop_all_but(self, is_kept: Callable[[dict[str, Any]], bool]) -> None:
        content = self._path.read_bytes() if self._path.exists() else b""
        lines = [*content.splitlines(), *self._owed.splitlines()]
        kept = [line + b"\n" for line in lines if (values := _parse(line)) is not None and is_kept(values)]
        if b"".join(kept) != content:
            write_atomically(self._path, b"".join(kept))
        self._owed = b""

    def _open(self, last_update: int) -> None:
        self._file: BinaryIO = self._path.open("ab", buffering=0)
        self._board = EventFile(self._folder / "tensorboard", last_update=last_update)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _is_done(line: Mapping[str, Any], resumed_update: int, validated_update: int) -> bool:
    """Whether a line is of what a run that goes on from there has behind it."""
    return bool(line["update"] <= (validated_update if line["kind"] == "validation" else resumed_update))


def _parse(line: bytes) -> dict[str, Any] | None:
    """None for a line that a crash cut short."""
    try:
        values: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return values

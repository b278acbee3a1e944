"""A TensorBoard event file, written immediately: a full disk is an error here, not a traceback of another thread."""

import os
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]


class EventFile:
    """Scalars by update, for TensorBoard. Hides other files' values of updates after `last_update`."""

    def __init__(self, folder: Path, *, last_update: int) -> None:
        self._folder = folder
        self._last_update = last_update
        self._file: BinaryIO | None = None

    def write(self, scalars: Mapping[str, float], update: int) -> None:
        """Raises OSError if it cannot be written. The next call then begins another file, since readers stop at a
        damaged record."""
        try:
            if self._file is None:
                self._file = self._open()
                _append(self._file, Event(file_version="brain.Event:2"))
                begun = SessionLog(status=SessionLog.START)  # hides all from this step on in older files
                _append(self._file, Event(step=self._last_update + 1, session_log=begun))
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
            _append(self._file, Event(step=update, summary=Summary(value=values)))
            self._last_update = update
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()  # unbuffered: nothing is left to be written
        self._file = None

    def _open(self) -> BinaryIO:
        """A new file whose name sorts after the existing ones: TensorBoard reads them in that order."""
        self._folder.mkdir(parents=True, exist_ok=True)
        second = int(time.time())
        for number in count():
            name = f"events.out.tfevents.{second:010d}.{number:06d}.{os.uname().nodename}.{os.getpid()}"
            if not any(self._folder.glob(f"events.out.tfevents.{second:010d}.{number:06d}.*")):
                return (self._folder / name).open("xb", buffering=0)
        raise AssertionError  # numbers do not end


def _append(file: BinaryIO, event: Event) -> None:
    event.wall_time = time.time()
    whole = _WholeWrites(file)
    RecordWriter(whole).write(event.SerializeToString())


class _WholeWrites:
    """An unbuffered file whose writes are complete."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, content: bytes) -> None:
        write_whole(self._file, content)


def write_whole(file: BinaryIO, content: bytes) -> None:
    """Writes all of the content to an unbuffered file. If it raises OSError, a part may be written."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]

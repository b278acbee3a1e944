"""The log on standard error: one line of text or JSON per event, written by a thread of its own."""

import copy
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TextIO

MAX_QUEUED = 10_000
"""Maximal number of lines that wait to be written; further ones are dropped and counted, so that calls never wait."""

WRITE_SECONDS = 0.1
"""Interval of writing; warnings and errors are written at once."""

_GRPC = "grpc"
"""Parent of gRPC's loggers, which write debug lines for every call."""

_PLAIN = re.compile(r"[^\s\"=\\]+")


def make_formatter(kind: Literal["text", "json"]) -> logging.Formatter:
    """The format of a log."""
    return JsonFormatter() if kind == "json" else TextFormatter()


class LogWriter:
    """Collects the process' log records between `start` and `stop`, and writes them to a stream on a thread.

    An event is one line: characters that are not printable are escaped. Only a traceback in the text format has more
    lines, all of them indented.
    """

    def __init__(
        self,
        kind: Literal["text", "json"],
        level: Literal["debug", "info", "warning", "error"],
        stream: TextIO | None,
        *,
        on_dropped: Callable[[], None],
    ) -> None:
        """stream: by default standard error at the time of `start`. on_dropped: called for each dropped line."""
        self._formatter = make_formatter(kind)
        self._level = logging.getLevelNamesMapping()[level.upper()]
        self._stream = stream
        self._on_dropped = on_dropped
        self._running: tuple[_Collector, threading.Thread, int] | None = None

    def start(self) -> None:
        """Take over the root logger."""
        output = logging.StreamHandler(self._stream or sys.stderr)
        output.setFormatter(self._formatter)
        collector = _Collector(self._on_dropped)
        thread = threading.Thread(target=collector.write_all, args=(output,), name="dragoman-log", daemon=True)
        root = logging.getLogger()
        self._running = collector, thread, root.level
        root.addHandler(collector)
        root.setLevel(self._level)
        logging.getLogger(_GRPC).setLevel(max(self._level, logging.INFO))
        thread.start()

    def stop(self) -> None:
        """Write the remaining lines and restore the root logger; may be called twice."""
        if self._running is not None:
            collector, thread, level = self._running
            self._running = None
            root = logging.getLogger()
            root.removeHandler(collector)
            root.setLevel(level)
            logging.getLogger(_GRPC).setLevel(logging.NOTSET)
            collector.end()
            thread.join()


def log_call(logger: logging.Logger, level: int, message: str, fields: dict[str, object]) -> None:
    """Log a call with its fields. As `Logger.log`, but for the search for the caller's line, which no format shows, and
    for names of threads and processes: a twentieth of a call's cost."""
    if not logger.isEnabledFor(level):
        return
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(_CALL_RECORD)
    record.name, record.levelno, record.levelname, record.msg = logger.name, level, logging.getLevelName(level), message
    record.created = time.time()
    record.msecs = record.created % 1 * 1000
    record.__dict__["call"] = fields
    logger.handle(record)


_CALL_RECORD = {**logging.makeLogRecord({"pathname": __file__, "filename": "logs.py", "module": "logs"}).__dict__}


class _Collector(logging.Handler):
    """Queues records for the writing thread without blocking.

    A record that can wait wakes no thread: switching threads would cost a call far more than the rest of its log line.
    """

    def __init__(self, on_dropped: Callable[[], None]) -> None:
        super().__init__()
        self._on_dropped = on_dropped
        self._records: deque[logging.LogRecord] = deque()
        self._due = threading.Event()
        self._has_ended = False

    def emit(self, record: logging.LogRecord) -> None:
        """Format what may change before the record is written, and queue it."""
        if len(self._records) >= MAX_QUEUED:
            self._on_dropped()
            return
        if record.args:
            record = copy.copy(record)  # other handlers get the original
            record.msg, record.args = record.getMessage(), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        self._records.append(record)
        if record.levelno >= logging.WARNING:  # an operator may be waiting, or the process may be about to end
            self._due.set()

    def write_all(self, output: logging.Handler) -> None:
        """Write records until `end`, then the remaining ones."""
        while not self._has_ended:
            self._due.wait(WRITE_SECONDS)
            self._due.clear()
            self._write(output)
        self._write(output)

    def end(self) -> None:
        """End `write_all`."""
        self._has_ended = True
        self._due.set()

    def _write(self, output: logging.Handler) -> None:
        while self._records:
            output.handle(self._records.popleft())


class JsonFormatter(logging.Formatter):
    """One JSON object per line, in ASCII; `time` is UTC in RFC 3339."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        fields: dict[str, object] = {"time": _time_of(record), "level": record.levelname.lower()}
        call = getattr(record, "call", None)
        fields |= call if call is not None else {"logger": record.name}
        fields["message"] = record.getMessage()
        if record.exc_text:
            fields["exception"] = record.exc_text
        return json.dumps(fields)


class TextFormatter(logging.Formatter):
    """Time, level, message, and the fields of a call as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        words = [_time_of(record), f"{record.levelname:<7}", _escape(record.getMessage())]
        call: dict[str, object] | None = getattr(record, "call", None)
        if call is not None:
            words += [f"{key}={_quote(value)}" for key, value in call.items()]
        lines = [" ".join(words)]
        if record.exc_text:
            lines += [f"    {_escape(line)}" for line in record.exc_text.splitlines()]
        return "\n".join(lines)


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escape(text: str) -> str:
    """Escape characters that are not printable, such as line ends and terminal controls."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _quote(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.isprintable() else json.dumps(value)

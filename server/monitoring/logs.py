"""The log on standard error: a line for people or a JSON object for each event, written by a thread of its own."""

import copy
import json
import logging
import logging.handlers
import queue
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

MAX_QUEUED = 10_000
"""Lines that may wait to be written; further ones are given up, and counted, rather than hold up the calls."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"[^\s\"=\\]+")


class LogWriter:
    """Between `start` and `stop`, what the process logs goes through a queue to a stream.

    Whatever a caller has put into a message, an event is one line: control characters are written as escapes. Only the
    traceback of a fault has more lines in the text format, all of them indented.
    """

    def __init__(
        self,
        kind: Literal["text", "json"],
        level: Literal["debug", "info", "warning", "error"],
        stream: TextIO | None,
        *,
        on_dropped: Callable[[], None],
    ) -> None:
        """stream: by default standard error, as it is at the start. on_dropped: called for each line given up."""
        self._formatter: logging.Formatter = JsonFormatter() if kind == "json" else TextFormatter()
        self._level = logging.getLevelNamesMapping()[level.upper()]
        self._stream = stream
        self._on_dropped = on_dropped
        self._running: tuple[_QueueHandler, _QueueListener, int] | None = None

    def start(self) -> None:
        """Takes over the root logger."""
        output = logging.StreamHandler(self._stream or sys.stderr)
        output.setFormatter(self._formatter)
        lines: queue.Queue[Any] = queue.Queue(MAX_QUEUED)
        handler = _QueueHandler(lines, self._on_dropped)
        listener = _QueueListener(lines, output)
        root = logging.getLogger()
        self._running = handler, listener, root.level
        root.addHandler(handler)
        root.setLevel(self._level)
        listener.start()

    def stop(self) -> None:
        """Writes what is queued and gives the root logger back; may be called twice."""
        if self._running is not None:
            handler, listener, level = self._running
            self._running = None
            root = logging.getLogger()
            root.removeHandler(handler)
            root.setLevel(level)
            listener.stop()
            handler.close()


class _QueueHandler(logging.handlers.QueueHandler):
    """Never waits."""

    def __init__(self, lines: "queue.Queue[Any]", on_dropped: Callable[[], None]) -> None:
        super().__init__(lines)
        self._on_dropped = on_dropped

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Settles what may change before it is written, and keeps message and traceback apart."""
        record = copy.copy(record)
        record.msg, record.args = record.getMessage(), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info))
        record.exc_info = None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._on_dropped()


class _QueueListener(logging.handlers.QueueListener):
    def __init__(self, lines: "queue.Queue[Any]", output: logging.Handler) -> None:
        super().__init__(lines, output)
        self._lines = lines

    def enqueue_sentinel(self) -> None:
        self._lines.put(None)  # waits for room: the queue is bounded


class JsonFormatter(logging.Formatter):
    """An object a line, ASCII alone; `time` is UTC in RFC 3339."""

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
    """Time, level, message, and what is known of a call as key=value."""

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
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _quote(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) and not _CONTROL.search(text) else json.dumps(value)

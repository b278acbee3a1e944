"""`dragoman serve` as a process of its own, on free ports of the loopback interface: for tests and benchmarks."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Tables = Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]]
"""A configuration: tables, and lists of tables, by name."""

STOP_SECONDS = 60.0
"""After so long a server that was told to stop has failed to."""


class ServerProcessError(Exception):
    """The server did not start, or did not end as it should; with the end of what it said."""


def free_port() -> int:
    """A port of the loopback interface on which nobody listens at the moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def write_toml(tables: Tables) -> str:
    """Tables of plain values as TOML, whose strings, numbers, truth values and lists are written as JSON's are."""
    lines: list[str] = []
    for name, content in tables.items():
        is_list = not isinstance(content, Mapping)
        for table in content if not isinstance(content, Mapping) else [content]:
            lines.append(f"[[{name}]]" if is_list else f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


class ServerProcess:
    """A running `dragoman serve`; a context manager, which ends it gracefully and then wants status 0.

    address: HOST:PORT of gRPC. metrics_address: HOST:PORT of the metrics. log: the file of all that it says.
    """

    def __init__(self, folder: Path, tables: Tables) -> None:
        """folder: where the configuration and the log are put. tables: the configuration; where it does not say where
        to listen, that is a free port. Raises ServerProcessError if the server does not start."""
        folder.mkdir(parents=True, exist_ok=True)
        self.config, self.log = folder / "server.toml", folder / "server.log"
        self.metrics_address = f"127.0.0.1:{free_port()}"
        merged = {
            **tables,
            "server": {"listen": "127.0.0.1:0", **_table(tables, "server")},
            "metrics": {"listen": self.metrics_address, **_table(tables, "metrics")},
        }
        self.config.write_text(write_toml(merged), encoding="utf-8")
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dragoman", "serve", "--config", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Whatever signal the terminal sends is the caller's; a proxy is meant for the outside world.
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            self.process.stdout.close()
            raise ServerProcessError(f"the server ended with status {self.process.wait()}: {self.last_words()}")
        self.address = line.split(" on ")[1].split(";")[0]
        # What else it prints must not fill the pipe.
        self._reading = threading.Thread(target=self._read_on, daemon=True)
        self._reading.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def last_words(self, num_characters: int = 2000) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-num_characters:]

    def stop(self) -> int:
        """Ends it with SIGTERM; its status. Raises ServerProcessError if it does not end."""
        if self.is_alive:
            self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS)
            self._reading.join(STOP_SECONDS)
            return status
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerProcessError(f"the server did not stop within {STOP_SECONDS:.0f} s") from None

    def kill(self) -> None:
        """Ends it and all processes that it has started, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _read_on(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            output.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = self.stop()
        if kind is None and status != 0:
            raise ServerProcessError(f"the server ended with status {status}: {self.last_words()}")


def _table(tables: Tables, name: str) -> Mapping[str, Any]:
    table = tables.get(name, {})
    assert isinstance(table, Mapping)
    return table

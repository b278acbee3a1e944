"""The two ends of a side's process: it is started once, kept alive between rounds, and works only when it is asked to.

Requests and replies are lines of JSON: {"method": …, "arguments": {…}}, and {"result": …} or {"error": …}.
"""

import json
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self, TextIO


class SideError(Exception):
    """A side's process failed; its traceback."""


class Side:
    """A process that runs the module `tests.benchmarks.NAME` and answers `call`. A context manager."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str] | None = None,
        *,
        python: str = sys.executable,
        folder: Path | None = None,
        log: IO[str] | None = None,
        patience: float | None = None,
    ) -> None:
        """environment: variables for it alone, such as OMP_NUM_THREADS. python: the interpreter that runs it. folder:
        the checkout whose module runs, this one if left out. log: for its standard error. patience: seconds to wait
        for an answer, for ever if left out."""
        self.name = name
        self._patience = patience
        self._process = subprocess.Popen(
            [python, "-m", f"tests.benchmarks.{name}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def call(self, method: str, **arguments: Any) -> Any:
        """What the side's method returns. Raises SideError if it raises, the process ends, or it is out of patience."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"method": method, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], self._patience)[0]:
            self._process.kill()
            raise SideError(f"{self.name} has not answered within {self._patience:.0f} seconds")
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"{self.name} ended with status {self._process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise SideError(f"{self.name}: {reply['error']}")
        return reply["result"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def serve(side: object) -> None:
    """Answers requests with the methods of `side` until standard input ends."""
    replies = take_standard_output()
    for line in sys.stdin:
        request = json.loads(line)
        reply: dict[str, Any]
        try:
            reply = {"result": getattr(side, request["method"])(**request["arguments"])}
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=replies, flush=True)


def take_standard_output() -> TextIO:
    """Standard output, for replies alone: what libraries print goes to standard error from now on, not between them."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def peak_memory() -> int:
    """Bytes of this process's memory that were resident at most (VmHWM)."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise SideError("this system does not tell VmHWM")

"""A caller of `dragoman serve`, which runs beside it in a process of its own and is otherwise idle."""

import subprocess
import sys
import time
from collections.abc import Sequence

from dragoman.server.client import Client
from tests.benchmarks.processes import serve


class ServerSide:
    """See the methods; `start` comes first and `stop` last."""

    def start(self, bundle: str) -> None:
        """Serves a bundle on a free port of the loopback interface and connects to it."""
        # Without the memory of repeats: the texts come again and again.
        options = ("--listen", "127.0.0.1:0", "--set", "memory.max_bytes=0")
        self._server = subprocess.Popen(
            [sys.executable, "-m", "dragoman", "serve", bundle, *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout is not None
        self._client = Client(self._server.stdout.readline().split()[-1])

    def latencies(self, texts: Sequence[str], to: str) -> list[float]:
        """Seconds for each text, one call after the other."""
        seconds = []
        for text in texts:
            started = time.perf_counter()
            self._client.translate(text, to=to, beam_size=4)
            seconds.append(time.perf_counter() - started)
        return seconds

    def stop(self) -> None:
        self._client.close()
        self._server.terminate()
        self._server.wait()


if __name__ == "__main__":
    serve(ServerSide())

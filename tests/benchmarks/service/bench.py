"""What all workloads are given, and what several of them do."""

import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dragoman.model.bundle import find_bundle
from tests.benchmarks.processes import Side
from tests.benchmarks.service.mixed_load import PATIENCE
from tests.benchmarks.service.process_tree import resident_bytes
from tests.benchmarks.service.tally import Tally
from tests.benchmarks.service.texts import join_into_texts, read_sentences
from tests.server_process import ServerProcess, Tables

CLIENTS_PER_CHANNEL = 10


@dataclass(frozen=True)
class Bench:
    """folder: for what the workloads write, emptied by none. data: a folder with a test set, or made-up sentences.
    seconds: of load in each workload that has some; its own default if None. num_processes: of clients."""

    folder: Path
    data: Path | None
    seconds: float | None
    num_clients: int
    num_processes: int
    num_rounds: int
    num_texts: int
    num_requests: int
    seed: int
    bundle: str

    @cached_property
    def sentences(self) -> list[str]:
        """English, all different."""
        return read_sentences(self.data, "en", self.num_texts)

    def serve(self, name: str, tables: Tables | None = None) -> ServerProcess:
        """A server of the bundle, or of what the configuration says; its files are in a folder called `name`."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        models = [{"bundle": str(find_bundle(self.bundle))}]
        # Without the memory of repeats: the texts come again and again.
        return ServerProcess(folder, {"models": models, "memory": {"max_bytes": 0}, **(tables or {})})

    def write_reference(self, path: Path, bundle: Path | None = None, pairs_of: Path | None = None) -> Path:
        """What the bundle, or another one, answers; see `BareSide.write_reference`."""
        english = self.sentences[: min(300, self.num_texts)]
        german = read_sentences(self.data, "de", min(100, self.num_texts))
        texts = {
            source: [*alone, *join_into_texts(alone, len(alone) // 5, self.seed)]
            for source, alone in (("en", english), ("de", german))
        }
        with Side("service.bare_side") as bare:
            bare.call("load", bundle=str(bundle or find_bundle(self.bundle)))
            bare.call("write_reference", texts=texts, path=str(path), pairs_of=str(pairs_of) if pairs_of else None)
        return path

    @contextmanager
    def mixed_load(
        self, address: str, references: Sequence[Path], seconds: float, *, keep_ends: bool = False
    ) -> Iterator[Callable[[], Tally]]:
        """Runs clients in processes of their own meanwhile; the function waits for their end."""
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(self.num_processes))
            sides = [
                stack.enter_context(Side("service.client_side", patience=seconds + 2 * PATIENCE + 60))
                for _ in range(self.num_processes)
            ]
            jobs: list[Future[Any]] = []
            for number, side in enumerate(sides):
                num_clients = len(range(number, self.num_clients, self.num_processes))
                jobs.append(
                    pool.submit(
                        side.call,
                        "run_mixed_load",
                        address=address,
                        references=[str(path) for path in references],
                        num_clients=num_clients,
                        num_channels=max(1, num_clients // CLIENTS_PER_CHANNEL),
                        seconds=seconds,
                        seed=1000 * self.seed + number,
                        keep_ends=keep_ends,
                    )
                )
            yield lambda: Tally.merged(job.result() for job in jobs)


class MemorySamples:
    """The memory of a server's processes over time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started = time.monotonic()
        self.samples: list[tuple[float, int]] = []
        """Seconds since the beginning, and bytes."""

    def take(self) -> None:
        self.samples.append((time.monotonic() - self._started, resident_bytes(self._pid)))

    @property
    def peak(self) -> int:
        return max(memory for _, memory in self.samples)

    def drift(self, since: float) -> float:
        """The share by which a sample of `since` or later, in seconds, is off their median, at most; 0 if there is
        none."""
        later = [memory for second, memory in self.samples if second >= since]
        if not later:
            return 0.0
        middle = statistics.median(later)
        return max(abs(memory - middle) for memory in later) / middle

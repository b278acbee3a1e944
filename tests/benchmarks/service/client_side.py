"""A process of clients."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import serve
from tests.benchmarks.service.mixed_load import MixedLoad
from tests.benchmarks.service.reference import Reference
from tests.benchmarks.service.saturation import saturate, saturate_streams
from tests.benchmarks.service.single_calls import SingleCalls


class ClientSide:
    """See the methods; each is a job of its own."""

    def run_mixed_load(
        self,
        address: str,
        references: Sequence[str],
        num_clients: int,
        num_channels: int,
        seconds: float,
        seed: int,
        keep_ends: bool,
    ) -> dict[str, Any]:
        """A tally, see `MixedLoad`. references: files."""
        load = MixedLoad([Reference.read(Path(path)) for path in references], seed=seed, keep_ends=keep_ends)
        asyncio.run(load.run(address, num_clients=num_clients, num_channels=num_channels, seconds=seconds))
        return load.tally.to_json()

    def saturate(self, address: str, texts: Sequence[str], to: str, texts_per_call: int) -> dict[str, Any]:
        """See `saturate`."""
        return self._timed(saturate(address, texts, to, texts_per_call))

    def saturate_streams(self, address: str, texts: Sequence[str], to: str, num_streams: int) -> dict[str, Any]:
        """See `saturate_streams`."""
        return self._timed(saturate_streams(address, texts, to, num_streams))

    def connect(self, address: str) -> None:
        """For `latency`."""
        self._calls = SingleCalls(address)

    def latency(self, text: str, to: str) -> float:
        """Seconds for one call."""
        return self._calls.latency(text, to)

    def _timed(self, job: Any) -> dict[str, Any]:
        used = time.process_time()
        outcome: dict[str, Any] = asyncio.run(job)
        return {**outcome, "processor_seconds": time.process_time() - used}


if __name__ == "__main__":
    serve(ClientSide())

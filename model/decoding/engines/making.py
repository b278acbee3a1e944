"""The engine that fits a decoder and a machine."""

import os
from collections.abc import Sequence

from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.lanes import STALL_SECONDS


def make_engine(
    decoder: Decoder,
    *,
    num_threads: int,
    max_slots: int,
    max_cached_positions: int | None = None,
    joined_ids: Sequence[int] = (),
    stall_seconds: float = STALL_SECONDS,
) -> Engine | Fleet:
    """An engine for num_threads threads, which share the slots evenly; a single one if the decoder has no replicas. The
    other arguments are those of `Engine` and `Fleet`."""
    decoders = [decoder]
    while len(decoders) < min(num_threads, max_slots) and (replica := decoder.replicate()) is not None:
        decoders.append(replica)
    count = len(decoders)
    engines = [
        Engine(
            one,
            max_slots=max_slots // count + (number < max_slots % count),
            max_cached_positions=max_cached_positions,
            joined_ids=joined_ids,
        )
        for number, one in enumerate(decoders)
    ]
    return engines[0] if count == 1 else Fleet.of_threads(engines, stall_seconds=stall_seconds)


def default_threads() -> int:
    """OMP_NUM_THREADS, or the processors that this process may use."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdecimal() and int(chosen):
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

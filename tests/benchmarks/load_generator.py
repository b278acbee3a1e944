"""Calls at given times, whatever became of the earlier ones."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence


def poisson_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrival times in seconds from the start: gaps are drawn from an exponential distribution of mean 1 / rate."""
    gaps = random.Random(seed)
    arrivals = [gaps.expovariate(rate)]
    while arrivals[-1] < seconds:
        arrivals.append(arrivals[-1] + gaps.expovariate(rate))
    return arrivals[:-1]


async def latencies_under_load(
    translate: Callable[[str], Awaitable[object]], texts: Sequence[str], arrivals: Sequence[float]
) -> list[float]:
    """Calls `translate` with the texts in turn; seconds from each call's arrival, as it was due, to its answer."""
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def call(index: int) -> float:
        await translate(texts[index % len(texts)])
        return loop.time() - start - arrivals[index]

    calls = []
    for index, arrival in enumerate(arrivals):
        delay = start + arrival - loop.time()
        await asyncio.sleep(max(delay, 0))  # also when late: the others must get their turn
        calls.append(asyncio.ensure_future(call(index)))
    return await asyncio.gather(*calls)

"""What a sentence costs in processor time, in batch and in the service: the input of server/deploy/scaling.md."""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dragoman.server.client import AsyncClient
from tests.benchmarks.bench import Bench
from tests.benchmarks.measuring import Measurement
from tests.server_process import ServerProcess

NUM_SENTENCES, NUM_SPARED = 2000, 20
"""Sentences of a run, and of one whose time is taken off: that of the start."""

NUM_CALLERS = 64


def run(bench: Bench) -> list[Measurement]:
    texts = bench.inputs.dev_set().sources
    texts = (texts * (1 + NUM_SENTENCES // len(texts)))[:NUM_SENTENCES]
    num_words = sum(len(text.split()) for text in texts) / len(texts)
    os.environ["OMP_NUM_THREADS"] = "1"
    found: dict[str, list[float]] = {"batch": [], "service, a stream": [], "service, calls of one text": []}
    num_bytes: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(bench.num_rounds):
            more, fewer = (_batch_seconds(texts[:count], Path(folder)) for count in (len(texts), NUM_SPARED))
            found["batch"].append(1000 * (more - fewer) / (len(texts) - NUM_SPARED))
            tables: dict[str, Any] = {
                "models": [{"bundle": "en-de"}],
                "memory": {"max_bytes": 0},
                "log": {"level": "warning"},
            }
            with ServerProcess(Path(folder) / str(number), tables) as server:
                for kind, name in ((True, "service, a stream"), (False, "service, calls of one text")):
                    asyncio.run(_call(server.address, texts[:NUM_SPARED], streams=kind))
                    begin = _process_seconds(server.pid)
                    asyncio.run(_call(server.address, texts, streams=kind))
                    found[name].append(1000 * (_process_seconds(server.pid) - begin) / len(texts))
                num_bytes.append(_resident_mebibytes(server.pid))
    what = f"en to de, {num_words:.1f} words a sentence, one thread"
    costs = [Measurement("costs", f"{name}: {what}", "CPU ms", tuple(values)) for name, values in found.items()]
    return [*costs, Measurement("costs", "service after it", "MiB resident", tuple(num_bytes))]


def _batch_seconds(texts: list[str], folder: Path) -> float:
    """Processor time of `dragoman translate` for these lines."""
    source = folder / "source.txt"
    source.write_text("\n".join(texts) + "\n", encoding="utf-8")
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "dragoman", "translate", "--to", "de", "--input", str(source)]
    subprocess.run([*command, "--output", str(folder / "target.txt")], check=True, capture_output=True)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    (folder / "target.txt").unlink()
    return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime


async def _call(address: str, texts: list[str], *, streams: bool) -> None:
    async with AsyncClient(address) as client:
        if streams:
            assert len([one async for one in client.translate_stream(texts, "de", source_language="en")]) == len(texts)
            return
        waiting = iter(texts)

        async def work() -> None:
            for text in waiting:
                await client.translate(text, "de", source_language="en")

        await asyncio.gather(*(work() for _ in range(NUM_CALLERS)))


def _process_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mebibytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

"""Load over HTTP: LibreTranslate's /translate, of this server or of any other, and live translation.

    python -m tests.benchmarks.service.http_load HOST:PORT --texts lines.txt --connections 64
    python -m tests.benchmarks.service.http_load HOST:PORT --texts lines.txt --connections 4 --batch 64
    python -m tests.benchmarks.service.http_load HOST:PORT --texts lines.txt --connections 500 --live --rounds 4

`lines.txt` has one text per line. With --pid the processor time and the memory of that process are shown. A server of
this project is started with `--set memory.max_bytes=0`, so that it remembers no text.
"""

import argparse
import asyncio
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Counts:
    """Seconds of each call, the translated texts, and calls that went wrong."""

    seconds: list[float] = field(default_factory=list)
    num_texts: int = 0
    num_lost: int = 0


class Connection:
    """One connection that is kept open, for one call at a time."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, fields: Any) -> tuple[int, bytes]:
        """Status and content."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, int(self._port))
        body = json.dumps(fields).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
        self._writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        headers = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(headers.split()[1])
        content = await self._read(self._reader, headers)
        if "connection: close" in headers or headers.startswith("http/1.0"):
            self.close()
        return status, content

    async def _read(self, reader: asyncio.StreamReader, headers: str) -> bytes:
        if found := re.search(r"content-length: (\d+)", headers):
            return await reader.readexactly(int(found[1]))
        if "transfer-encoding: chunked" not in headers:
            return await reader.read()
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)

    def close(self) -> None:
        """The next call opens another one."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def translate(address: str, texts: Iterator[str], batch: int, until: float, counts: Counts) -> None:
    """Call after call on one connection until a time of `time.perf_counter`."""
    connection = Connection(address)
    while time.perf_counter() < until:
        given = [next(texts) for _ in range(batch)]
        fields = {"q": given if batch > 1 else given[0], "source": "en", "target": "de"}
        begun = time.perf_counter()
        status, content = await connection.post("/translate", fields)
        counts.seconds.append(time.perf_counter() - begun)
        found = json.loads(content).get("translatedText") if status == 200 else None
        if found and (batch == 1 or len(found) == batch):
            counts.num_texts += batch
        else:
            counts.num_lost += batch
    connection.close()


async def follow(address: str, texts: Iterator[str], rounds: int, counts: Counts) -> None:
    """Live translations on one connection, one after the other."""
    connection = Connection(address)
    for _ in range(rounds):
        begun = time.perf_counter()
        fields = {"text": next(texts), "sourceLanguageCode": "en", "targetLanguageCode": "de"}
        status, content = await connection.post("/v1/translateLive", fields)
        counts.seconds.append(time.perf_counter() - begun)
        if status == 200 and content.endswith(b"event: done\ndata: {}\n\n") and b'"translation": {' in content:
            counts.num_texts += 1
        else:
            counts.num_lost += 1
    connection.close()


def processor_seconds(pid: int) -> float:
    """User and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mebibytes(pid: int) -> int:
    """Memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) // 1024 if found else 0


async def run(given: argparse.Namespace, lines: Sequence[str]) -> Counts:
    """All connections at once."""
    counts, texts = Counts(), cycle(lines)
    until = time.perf_counter() + given.seconds
    async with asyncio.TaskGroup() as tasks:
        for _ in range(given.connections):
            if given.live:
                tasks.create_task(follow(given.address, texts, given.rounds, counts))
            else:
                tasks.create_task(translate(given.address, texts, given.batch, until, counts))
    return counts


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--pid", type=int)
    given = parser.parse_args()
    lines = [line for line in given.texts.read_text("utf-8").splitlines() if line.strip()]
    before = processor_seconds(given.pid) if given.pid else 0.0
    begun = time.perf_counter()
    counts = asyncio.run(run(given, lines))
    seconds = time.perf_counter() - begun
    p50, p95, p99 = (1000 * np.percentile(counts.seconds, (50, 95, 99))).round()
    print(
        f"{counts.num_texts / seconds:.1f} texts/s, ms p50 {p50:.0f} p95 {p95:.0f} p99 {p99:.0f}, "
        f"{counts.num_texts} translated, {counts.num_lost} lost",
        end="",
    )
    if given.pid:
        used = processor_seconds(given.pid) - before
        each = 1000 * used / max(1, counts.num_texts)
        print(f", {each:.2f} processor ms/text, {resident_mebibytes(given.pid)} MiB", end="")
    print()


if __name__ == "__main__":
    main()

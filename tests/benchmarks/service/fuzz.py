"""A hundred thousand hostile calls: the server must neither crash nor hang, must answer each with a proper status, and
must translate as before in the end."""

import asyncio
import random
import socket
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.service.bench import Bench, MemorySamples
from tests.benchmarks.service.fuzzing import Findings, make_hostile_calls
from tests.benchmarks.service.hostile_calls import INPUT_FILE, METHODS, google_methods, has_google
from tests.benchmarks.service.mixed_load import MixedLoad
from tests.benchmarks.service.outcomes import Outcome
from tests.benchmarks.service.reference import Reference

PROBE_SECONDS = 3.0
NUM_GARBAGE_CONNECTIONS = 100


def run(bench: Bench) -> list[Outcome]:
    reference = Reference.read(bench.write_reference(bench.folder / "reference.json"))
    google = has_google()
    methods = (*METHODS, *google_methods()) if google else METHODS
    started = time.monotonic()
    with bench.serve("fuzz", {"server": make_files(bench.folder / "fuzz-files") if google else {}}) as server:
        memory = MemorySamples(server.pid)
        memory.take()
        _send_garbage(server.address, bench.seed)
        findings = make_hostile_calls(server.address, range(bench.num_requests), seed=bench.seed, methods=methods)
        memory.take()
        is_alive = server.is_alive
        probe = MixedLoad([reference], seed=bench.seed)
        asyncio.run(probe.run(server.address, num_clients=8, num_channels=2, seconds=PROBE_SECONDS))
        traces = server.log.read_text(encoding="utf-8", errors="replace").count("Traceback")
    return [
        Outcome("fuzz", "calls", findings.answers.total(), "", details=_details(findings)),
        Outcome("fuzz", "calls a second", findings.answers.total() / (time.monotonic() - started), ""),
        *(Outcome("fuzz", f"answered {code}", count, "") for code, count in findings.answers.most_common()),
        Outcome("fuzz", "crashes", int(not is_alive), "", goal="0", is_met=is_alive),
        Outcome("fuzz", "hangs", findings.num_hangs, "", goal="0", is_met=not findings.num_hangs),
        Outcome("fuzz", "improper statuses", findings.num_improper, "", goal="0", is_met=not findings.num_improper),
        Outcome("fuzz", "errors in the server's log", traces, "", goal="0", is_met=not traces),
        Outcome(
            "fuzz",
            "wrong or failed calls afterwards",
            probe.tally.num_unexpected,
            "",
            goal="0",
            is_met=not probe.tally.num_unexpected and probe.tally.num_texts > 0,
            details=probe.tally.to_json(),
        ),
        Outcome("fuzz", "memory before and after", memory.samples[-1][1] / memory.samples[0][1], "ratio"),
    ]


def make_files(folder: Path) -> dict[str, Any]:
    """What a server needs to be told so that Google's batches read and write files, in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INPUT_FILE).write_text("A house.\nTwo trees.\n", encoding="utf-8")
    return {"google": True, "google_files": str(folder.resolve())}


def _details(findings: Findings) -> dict[str, object]:
    return {"answers": dict(findings.answers), "examples": findings.examples}


def _send_garbage(address: str, seed: int) -> None:
    """Connections that do not speak HTTP/2, or stop in the middle of it."""
    draw = random.Random(seed)
    host, _, port = address.rpartition(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for _ in range(NUM_GARBAGE_CONNECTIONS):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            garbage = draw.randbytes(draw.randint(0, 200))
            connection.sendall(
                draw.choice((garbage, preface + garbage, preface[: draw.randint(0, 24)], b"GET / HTTP/1.1\r\n\r\n"))
            )

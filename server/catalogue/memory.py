"""Memory of this process and of its engine processes, as the system counts it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")

_KIBIBYTE = 1024


def memory_bytes(process: int | None = None) -> int:
    """Bytes of memory of a process, by default this one, and of its children and their children. What several
    processes share counts once, in parts (PSS). 0 where the system has no /proc."""
    own = os.getpid() if process is None else process
    return _own_bytes(own) + sum(map(memory_bytes, _children(own)))


def _own_bytes(process: int) -> int:
    folder = PROCESSES / str(process)
    with suppress(OSError):
        for line in (folder / "smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KIBIBYTE
    with suppress(OSError):  # a kernel without it, or one that forbids it: resident memory, what is shared included
        return int((folder / "statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _children(process: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in (PROCESSES / str(process) / "task").iterdir():
            with suppress(OSError):  # the thread has ended
                yield from map(int, (thread / "children").read_text("ascii").split())


def can_measure() -> bool:
    """Whether `memory_bytes` knows anything here."""
    return (PROCESSES / "self" / "statm").exists()

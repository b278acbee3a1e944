"""What the system tells of a process and all that it has started."""

import os
from contextlib import suppress
from pathlib import Path

_GONE = (FileNotFoundError, ProcessLookupError)
"""The process ended while it was looked at."""


def descendants(pid: int) -> list[int]:
    """The processes that `pid` has started, and those that these have, and so on; without itself."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(*_GONE):
                parents[int(folder.name)] = int(_statistics(int(folder.name))[1])
    found = [pid]
    for known in found:  # grows meanwhile
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]


def resident_bytes(pid: int) -> int:
    """Memory of the process and its descendants that is resident; what several of them share counts once for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for member in (pid, *descendants(pid)):
        with suppress(*_GONE):
            total += int(Path(f"/proc/{member}/statm").read_text(encoding="ascii").split()[1]) * page
    return total


def processor_seconds(pid: int) -> float:
    """Seconds of processors that the process, and those of its descendants that live or were waited for, have used."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for member in (pid, *descendants(pid)):
        with suppress(*_GONE):
            total += sum(int(field) for field in _statistics(member)[11:15]) / ticks
    return total


def _statistics(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold spaces and brackets: see proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()

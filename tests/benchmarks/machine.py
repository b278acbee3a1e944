"""The machine that a benchmark ran on."""

import os
import platform
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """For a results file: processor, how many of them this process may use, memory, system."""
    described = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": described[0].partition(":")[2].strip() if described else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory in GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
    }

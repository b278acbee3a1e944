"""Runs `dragoman`, and says which threads it left."""

import sys
from pathlib import Path

from dragoman.command_line import main


def name_threads() -> list[str]:
    """The names of this process's threads, also of those that Python does not know."""
    return sorted(path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))


if __name__ == "__main__":
    try:
        main()
    finally:
        print("threads at the end:", *name_threads(), file=sys.stderr)

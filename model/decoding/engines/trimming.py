"""Memory that work has left behind goes back to the system when there is no work."""

import ctypes
import os
from typing import Protocol, runtime_checkable

QUIET_SECONDS = 2.0
"""Time without work after which it does: an engine that works again takes some milliseconds more for its first step."""


@runtime_checkable
class Trims(Protocol):
    """A decoder or engine that keeps memory for its next work."""

    def trim(self) -> None:
        """Give it up; nothing may be in work. What is computed afterwards does not change."""


def trim(part: object) -> None:
    """Make a decoder or an engine give up memory, if it keeps any."""
    if isinstance(part, Trims):
        part.trim()


def return_memory() -> None:
    """Return freed memory to the system: glibc keeps what is freed in the middle of its heaps. For any thread."""
    release = getattr(_LIBC, "malloc_trim", None)
    if release is not None:
        release(0)


_LIBC = ctypes.CDLL(None) if os.name == "posix" else None
"""The C library; one without malloc_trim, such as musl's, gives memory back by itself."""

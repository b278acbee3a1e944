"""Memory for training on a CPU: what was used once is kept for the next update."""

import ctypes
import os
import sys

from dragoman.training.learning.native.library import load_memory

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Keeps freed memory for reuse, where it would be handed back to the kernel: every update frees and asks for the
    same large activations, and each fresh page costs a fault and a clearing.

    Large tensors get a region to themselves (native/memory) where a compiler is at hand. glibc keeps its freed blocks
    of up to 1 GiB; another C library is left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    memory = load_memory()
    if memory is not None:
        memory.dragoman_take_over(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))

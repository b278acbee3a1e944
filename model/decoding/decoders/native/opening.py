"""Opens compiled kernels through ctypes."""

import ctypes
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman.model.decoding.decoders.native.build import Kernels, find_library

Signatures = Mapping[str, tuple[Any, Sequence[Any]]]
"""Of each function, named without its "dragoman_": the type of its result and those of its arguments."""

Structures = Sequence[type[ctypes.Structure]]

MAX_STRUCTURES = 16
"""That any library has."""

logger = logging.getLogger(__name__)


def find_and_open(kernels: Kernels, signatures: Signatures, structures: Structures) -> Any:
    """The library, compiled if need be, and compiled anew if it is damaged; None, with a warning in the log, where that
    is impossible."""
    for is_damaged in (False, True):
        path = find_library(kernels, anew=is_damaged)
        if path is None:
            break
        try:
            return open_library(path, signatures, structures)
        except (OSError, AttributeError) as error:  # no library at all, or one that lacks a function
            logger.warning("the compiled kernels cannot be loaded: %s", error)
    return None


def open_library(path: Path, signatures: Signatures, structures: Structures) -> Any:
    """structures: in the order of the library's `dragoman_sizes`.

    Raises OSError or AttributeError if the file is no library with these functions, or if its structures have other
    sizes: it would read and write memory that is not its own.
    """
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"dragoman_{name}")
        function.restype, function.argtypes = result, arguments
    due = [ctypes.sizeof(structure) for structure in structures]
    sizes = (ctypes.c_int64 * MAX_STRUCTURES)()
    found = list(sizes[: library.dragoman_sizes(sizes)])
    if found != due:
        raise OSError(f"{path}: its structures have {found} bytes in place of {due}")
    return library

"""The C++ library's functions as ctypes sees them; mirrors kernels/api.cpp."""

import ctypes
import logging
from ctypes import POINTER, Structure, c_float, c_int, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from model.decoding.native import build

KERNELS = build.Kernels(
    "training",
    Path(__file__).parent / "kernels",
    "training",
    includes=(build.DECODING.folder,),  # vector.h
    flags=("-fopenmp",),  # torch's own threads: it has loaded the same OpenMP library
)

logger = logging.getLogger(__name__)


class AttentionShape(Structure):
    """See kernels/attention.h."""

    _fields_ = [
        (name, c_int64)
        for name in (
            "num_sentences",
            "num_heads",
            "num_queries",
            "num_keys",
            "d_key",
            "d_value",
            "mask_sentence_stride",
            "mask_query_stride",
        )
    ]


@cache
def load_library() -> Any:
    """The library, compiled if need be, and compiled anew if it is damaged; None, with a warning in the log, where that
    is impossible."""
    for is_damaged in (False, True):
        path = build.find_library(KERNELS, anew=is_damaged)
        if path is None:
            break
        try:
            return open_library(path)
        except (OSError, AttributeError) as error:  # no library at all, or one that lacks a function
            logger.warning("the compiled kernels cannot be loaded: %s", error)
    return None


def open_library(path: Path) -> Any:
    """Raises OSError or AttributeError if the file is not the kernels' library."""
    library = ctypes.CDLL(str(path))
    pointer, shape, dropout = c_void_p, POINTER(AttentionShape), [c_float, c_uint64]
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "lanes": (c_int, []),
        "attend": (None, [shape, *[pointer] * 4, *dropout, *[pointer] * 2]),
        "attend_backward": (None, [shape, *[pointer] * 4, *dropout, *[pointer] * 4]),
        "add_dropped": (None, [c_int64, *[pointer] * 2, *dropout, pointer]),
        "add_dropped_backward": (None, [c_int64, pointer, *dropout, pointer]),
        "normalize": (None, [c_int64, c_int64, *[pointer] * 3, c_float, *[pointer] * 2]),
        "normalize_backward": (None, [c_int64, c_int64, *[pointer] * 5, c_int, *[pointer] * 2]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"dragoman_{name}")
        function.restype, function.argtypes = result, arguments
    return library

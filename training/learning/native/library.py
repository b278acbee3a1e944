"""The C++ library's functions as ctypes sees them; mirrors kernels/api.cpp."""

from ctypes import POINTER, Structure, c_float, c_int, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from dragoman.model.decoding.decoders.native import build
from dragoman.model.decoding.decoders.native.build import Signatures, find_and_open

KERNELS = build.Kernels(
    "training",
    Path(__file__).parent / "kernels",
    "training",
    includes=(build.DECODING.folder,),  # vector.h
    flags=("-fopenmp",),  # torch's own threads: it has loaded the same OpenMP library
)


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


STRUCTURES = (AttentionShape,)

_SHAPE, _DROPOUT = POINTER(AttentionShape), (c_float, c_uint64)

SIGNATURES: Signatures = {
    "lanes": (c_int, []),
    "sizes": (c_int, [POINTER(c_int64)]),
    "attend": (c_int, [_SHAPE, *[c_void_p] * 4, *_DROPOUT, *[c_void_p] * 2]),
    "attend_backward": (c_int, [_SHAPE, *[c_void_p] * 4, *_DROPOUT, *[c_void_p] * 4]),
    "add_dropped": (None, [c_int64, *[c_void_p] * 2, *_DROPOUT, c_void_p]),
    "add_dropped_backward": (None, [c_int64, c_void_p, *_DROPOUT, c_void_p]),
    "normalize": (None, [c_int64, c_int64, *[c_void_p] * 3, c_float, *[c_void_p] * 2]),
    "normalize_backward": (None, [c_int64, c_int64, *[c_void_p] * 5, c_int, *[c_void_p] * 2]),
    "cross_entropy": (c_int, [c_int64, c_int64, *[c_void_p] * 2, c_float, *[c_void_p] * 2]),
}


@cache
def load_library() -> Any:
    """See `find_and_open`."""
    return find_and_open(KERNELS, SIGNATURES, STRUCTURES)

"""The C++ libraries' functions as ctypes sees them; mirrors kernels/api.cpp and memory/api.cpp."""

import re
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


class Source(Structure):
    """See kernels/looking.h."""

    _fields_ = [*((name, c_int64) for name in ("num_sentences", "num_keys", "width")), ("lengths", c_void_p)]


STRUCTURES = (AttentionShape, Source)

_SHAPE, _SOURCE, _DROPOUT = POINTER(AttentionShape), POINTER(Source), (c_float, c_uint64)

SIGNATURES: Signatures = {
    "lanes": (c_int, []),
    "sizes": (c_int, [POINTER(c_int64)]),
    "attend": (c_int, [_SHAPE, *[c_void_p] * 4, *_DROPOUT, *[c_void_p] * 2]),
    "attend_backward": (c_int, [_SHAPE, *[c_void_p] * 4, *_DROPOUT, *[c_void_p] * 4]),
    "add_dropped": (None, [c_int64, *[c_void_p] * 2, *_DROPOUT, c_void_p]),
    "add_dropped_backward": (None, [c_int64, c_void_p, *_DROPOUT, c_void_p]),
    "normalize": (None, [c_int64, c_int64, *[c_void_p] * 3, c_float, *[c_void_p] * 2]),
    "normalize_backward": (None, [c_int64, c_int64, *[c_void_p] * 5, c_int, *[c_void_p] * 2]),
    "lstm": (None, [c_int64, c_int64, *[c_void_p] * 5]),
    "lstm_backward": (None, [c_int64, c_int64, *[c_void_p] * 10]),
    "gru": (None, [c_int64, c_int64, *[c_void_p] * 5]),
    "gru_backward": (None, [c_int64, c_int64, *[c_void_p] * 10]),
    "scale_and_drop": (None, [c_int64, c_void_p, c_float, *_DROPOUT, c_void_p]),
    "scale_and_drop_backward": (None, [c_int64, c_void_p, c_float, *_DROPOUT, c_void_p]),
    "drop": (None, [c_int64, c_int, c_void_p, *_DROPOUT, c_int64, c_void_p]),
    "drop_backward": (None, [c_int64, c_int, c_void_p, *_DROPOUT, c_int64, *[c_void_p] * 3]),
    "look": (c_int, [_SOURCE, *[c_void_p] * 6]),
    "look_backward": (c_int, [_SOURCE, *[c_void_p] * 10]),
    "gather": (c_int, [_SOURCE, c_int64, *[c_void_p] * 3]),
    "cross_entropy": (c_int, [c_int64, c_int64, *[c_void_p] * 2, c_float, *[c_void_p] * 2]),
}


@cache
def load_library() -> Any:
    """See `find_and_open`."""
    return find_and_open(KERNELS, SIGNATURES, STRUCTURES)


@cache
def load_memory() -> Any:
    """The allocator of large tensors, made for this very version of torch, whose wheels bring its headers; None where
    the kernels cannot be compiled either. See `find_and_open`."""
    if load_library() is None:
        return None
    import torch

    home = Path(torch.__file__).parent
    memory = build.Kernels(
        "memory",
        Path(__file__).parent / "memory",
        "training's memory",
        "slows long runs down",
        includes=(build.DECODING.folder,),  # processor.h
        flags=(
            f"-DTORCH_{re.sub(r'[^0-9a-zA-Z]', '_', torch.__version__)}",  # another library for another version
            f"-I{home / 'include'}",
            "-Wl,--no-as-needed",
            f"-L{home / 'lib'}",
            "-lc10",
        ),
    )
    return find_and_open(memory, {"take_over": (c_int, [c_uint64])}, ())

"""The C++ library's functions and structures as ctypes sees them; mirrors kernels/api.cpp."""

from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_int64, c_void_p
from dataclasses import fields
from functools import cache
from typing import Any

from dragoman.model.config import Activation
from dragoman.model.decoding.decoders.native import build
from dragoman.model.decoding.decoders.native.build import Signatures, find_and_open
from dragoman.model.decoding.search import stepping

INVALID = 1
"""A function's result for invalid arguments; 0 means success."""


ACTIVATIONS: tuple[Activation, ...] = ("relu", "swish", "gelu", "gelu-tanh", "gelu-sigmoid")
"""In the order of the library's numbers."""


class Shape(Structure):
    """The architecture."""

    _fields_ = [
        (name, c_int32)
        for name in (
            "d_model",
            "d_ff",
            "num_heads",
            "d_key",
            "d_value",
            "num_encoder_layers",
            "num_decoder_layers",
            "is_pre_norm",
            "has_final_norm",
            "has_embedding_norm",
            "activation",
            "scales_embeddings",
            "has_output_bias",
            "starts_with_zeros",
            "has_ssru",
            "source_vocab_size",
            "target_vocab_size",
            "eos_id",
            "max_source_length",
        )
    ] + [("layer_norm_epsilon", c_float)]


class Tensor(Structure):
    """A matrix or a vector: floats, or bytes with a scale for each row."""

    _fields_ = [
        ("name", c_char_p),
        ("floats", c_void_p),
        ("bytes", c_void_p),
        ("scales", c_void_p),
        ("num_rows", c_int32),
        ("num_columns", c_int32),
    ]


class Admission(Structure):
    """See `model.decoding.decoder.Admission`."""

    _fields_ = [
        ("slot", c_int32),
        ("source_ids", c_void_p),
        ("source_length", c_int32),
        ("beam_size", c_int32),
        ("allowed_ids", c_void_p),
        ("num_allowed", c_int32),
        ("keep_attention", c_int32),
    ]


class PieceLists(Structure):
    """See `model.decoding.decoder.PieceLists`."""

    _fields_ = [("offsets", c_void_p), ("token_ids", c_void_p), ("count", c_int32)]


class Rows(Structure):
    """See `model.decoding.decoder.Rows`."""

    _fields_ = [
        ("slots", c_void_p),
        ("offsets", c_void_p),
        ("positions", c_void_p),
        ("token_ids", c_void_p),
        ("log_probs", c_void_p),
        ("ancestry", c_void_p),
        ("ancestry_slot_stride", c_int64),
        ("ancestry_beam_stride", c_int64),
        ("num_extensions", c_void_p),
        ("num_candidates", c_void_p),
        ("excluded", PieceLists),
        ("wanted", PieceLists),
        ("num_slots", c_int32),
        ("num_rows", c_int32),
        ("ancestry_slots", c_int32),
        ("ancestry_beams", c_int32),
        ("ancestry_positions", c_int32),
    ]


class Given(Structure):
    """See `model.decoding.decoder.Given`."""

    _fields_ = [
        ("source_ids", c_void_p),
        ("target_ids", c_void_p),
        ("source_length", c_int32),
        ("target_length", c_int32),
        ("keep_attention", c_int32),
    ]


class SearchArrays(Structure):
    """See `model.decoding.search.stepping.SearchArrays`, whose fields come first."""

    _fields_ = [
        *((part.name, c_void_p) for part in fields(stepping.SearchArrays)),
        ("num_slots", c_int32),
        ("num_beams", c_int32),
        ("num_positions", c_int32),
    ]


AUTOMATON_ARRAYS = ("pieces", "moves", "depths", "remaining", "offsets", "advancing", "completes", "begun", "leads")
"""The arrays of `model.decoding.search.automaton.Automaton` that the library takes, in its order."""


class Automaton(Structure):
    """See `model.decoding.search.automaton.Automaton`."""

    _fields_ = [
        *((name, c_void_p) for name in AUTOMATON_ARRAYS),
        ("num_nodes", c_int32),
        ("num_terms", c_int32),
        ("num_pieces", c_int32),
        ("num_completes", c_int32),
        ("num_advancing", c_int32),
    ]


class SlotRules(Structure):
    """See `model.decoding.search.rule.SlotRules`."""

    _fields_ = [
        ("prefix_ids", c_void_p),
        ("suppressed_ids", c_void_p),
        ("joined_ids", c_void_p),
        ("num_prefix", c_int32),
        ("num_suppressed", c_int32),
        ("num_joined", c_int32),
        ("ngram_size", c_int32),
        ("automaton", Automaton),
    ]


STRUCTURES = (Shape, Tensor, Admission, PieceLists, Rows, Given, SearchArrays, Automaton, SlotRules)


SIGNATURES: Signatures = {
    "message": (c_char_p, []),
    "sizes": (c_int, [POINTER(c_int64)]),
    "new": (
        c_int,
        [
            POINTER(Shape),
            c_int,
            POINTER(Tensor),
            c_int,
            POINTER(Tensor),
            POINTER(Tensor),
            c_void_p,
            c_int,
            POINTER(c_void_p),
        ],
    ),
    "replicate": (c_int, [c_void_p, c_int, POINTER(c_void_p)]),
    "free": (None, [c_void_p]),
    "admit": (c_int, [c_void_p, POINTER(Admission), c_int]),
    "advance": (c_int, [c_void_p, POINTER(Rows)]),
    "extend": (c_int, [c_void_p, POINTER(Rows), c_void_p, c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p]),
    "constrain": (c_int, [c_void_p, c_int, POINTER(SlotRules)]),
    "search_step": (c_int, [c_void_p, POINTER(SearchArrays), c_void_p, c_int, c_void_p, POINTER(c_int32)]),
    "log_probs": (c_int, [c_void_p, POINTER(Rows), c_void_p, c_int, c_void_p]),
    "score": (c_int, [c_void_p, POINTER(Given), c_int, c_void_p, c_void_p]),
    "attention": (c_int, [c_void_p, c_int, c_int64, c_void_p]),
    "release": (c_int, [c_void_p, c_int]),
    "trim": (c_int, [c_void_p]),
}


@cache
def load_library() -> Any:
    """See `find_and_open`."""
    return find_and_open(build.DECODING, SIGNATURES, STRUCTURES)

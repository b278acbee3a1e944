"""The decoder in C++: several times as fast as torch on a processor, in float32 and int8.

Every row of a step is computed by itself, with sums in a fixed order, so that a sentence's scores do not depend, to the
last bit, on its slot or on the other sentences. A decoder works on the caller's thread and releases Python's lock
meanwhile.
"""

import copy
import ctypes
import weakref
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.decoding import decoder as contract
from dragoman.model.decoding.decoders.native.handing import (
    address,
    as_int32,
    as_rows,
    as_search_arrays,
    as_slot_rules,
    as_tensor,
    data,
)
from dragoman.model.decoding.decoders.native.library import (
    ACTIVATIONS,
    INVALID,
    Admission,
    Given,
    Rows,
    SearchArrays,
    Shape,
    Tensor,
    load_library,
)
from dragoman.model.decoding.search import stepping
from dragoman.model.decoding.search.rule import SlotRules
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.parameters import describe_parameters, learnt_positions, position_encodings
from dragoman.model.weights import StoredTensor, check_shape

Precision = Literal["float32", "int8"]

_NOTHING: NDArray[np.float64] = np.zeros(0)


def is_available() -> bool:
    """Whether the kernels exist or can be compiled; logs the reason if not."""
    return load_library() is not None


class NativeDecoder:
    """See `model.decoding.decoder.Decoder`."""

    def __init__(
        self,
        architecture: ArchitectureConfig,
        vocabulary: VocabularyShape,
        tensors: Mapping[str, StoredTensor],
        *,
        precision: Precision = "int8",
        forbidden_ids: Sequence[int] = (),
        max_slots: int = 64,
    ) -> None:
        """tensors: the network's parameters by name, tied ones under each of their names; forbidden_ids: pieces that no
        hypothesis may contain.

        Raises InvalidInputError if a tensor is missing or its shape does not fit the architecture.
        """
        self._library = load_library()
        if self._library is None:
            raise DragomanError("the kernels could not be compiled on this machine; the log says why")
        self._architecture = architecture
        self._vocabulary = vocabulary
        self._max_slots = max_slots
        self._widths: dict[int, tuple[int, int]] = {}  # beams and source length of the slots that keep attention
        self._positions = np.zeros(max_slots, dtype=np.int32)  # by slot: positions fed so far
        self._fed: tuple[contract.Rows, Rows] | None = None  # by the last step
        self._searched: tuple[stepping.SearchArrays, SearchArrays] | None = None
        shape = Shape(
            d_model=architecture.d_model,
            d_ff=architecture.d_ff,
            num_heads=architecture.num_heads,
            d_key=architecture.d_key,
            d_value=architecture.d_value,
            num_encoder_layers=architecture.num_encoder_layers,
            num_decoder_layers=architecture.num_decoder_layers,
            is_pre_norm=architecture.normalization == "pre",
            has_final_norm=architecture.final_norm,
            has_embedding_norm=architecture.embedding_norm,
            activation=ACTIVATIONS.index(architecture.activation),
            scales_embeddings=architecture.scale_embeddings,
            has_output_bias=architecture.output_bias,
            starts_with_zeros=architecture.decoder_start == "zero",
            has_ssru=architecture.decoder_mixer == "ssru",
            source_vocab_size=vocabulary.source_size,
            target_vocab_size=vocabulary.target_size,
            eos_id=vocabulary.eos_id,
            max_source_length=architecture.max_source_length,
            layer_norm_epsilon=architecture.norm_epsilon,
        )
        parameters = describe_parameters(architecture, vocabulary)
        for parameter in parameters:
            if parameter.name in tensors:  # the kernels name what is missing
                check_shape(parameter, tensors[parameter.name].values, "the weights")
        if architecture.positions == "learnt":
            names = [learnt_positions(stack) for stack in ("encoder", "decoder")]
            if missing := [name for name in names if name not in tensors]:
                raise InvalidInputError(f"the weights: lacks the tensor {missing[0]}")
            positions = [tensors[name] for name in names]
        else:
            positions = [StoredTensor(position_encodings(architecture))] * 2
        is_forbidden = np.zeros(vocabulary.target_size, dtype=np.uint8)
        is_forbidden[list(forbidden_ids)] = 1
        given = [(one.name, tensors[one.name]) for one in parameters if one.name in tensors and one.role != "position"]
        stored = (Tensor * len(given))(*(as_tensor(name, tensor) for name, tensor in given))
        handle = ctypes.c_void_p()
        failed = self._library.dragoman_new(
            shape,
            precision == "int8",
            stored,
            len(given),
            *(as_tensor("positions", one) for one in positions),
            is_forbidden.ctypes.data,
            max_slots,
            ctypes.byref(handle),
        )
        self._check(failed, "the weights: ")
        self._own(handle)

    def replicate(self) -> Self:
        """See `model.decoding.decoder.Decoder`."""
        replica = copy.copy(self)
        replica._widths = {}
        replica._positions = np.zeros_like(self._positions)
        replica._fed = replica._searched = None
        handle = ctypes.c_void_p()
        self._check(self._library.dragoman_replicate(self._handle, self._max_slots, ctypes.byref(handle)))
        replica._own(handle)
        return replica

    def _own(self, handle: ctypes.c_void_p) -> None:
        self._handle = handle
        finalizer = weakref.finalize(self, self._library.dragoman_free, handle)
        finalizer.atexit = False  # a thread may still be decoding; the end of the process frees everything

    @property
    def max_slots(self) -> int:
        return self._max_slots

    @property
    def vocabulary(self) -> VocabularyShape:
        return self._vocabulary

    @property
    def max_source_length(self) -> int:
        return self._architecture.max_source_length

    @property
    def max_target_length(self) -> int:
        return self._architecture.max_target_length

    def admit(self, admissions: Sequence[contract.Admission]) -> None:
        """See `model.decoding.decoder.Decoder`."""
        kept = [as_int32(admission.source_ids) for admission in admissions]
        structures = (Admission * len(admissions))()
        for structure, admission, source_ids in zip(structures, admissions, tuple(kept), strict=True):
            structure.slot = admission.slot
            structure.source_ids = source_ids.ctypes.data
            structure.source_length = len(source_ids)
            structure.beam_size = admission.beam_size
            structure.keep_attention = admission.keep_attention
            if admission.allowed_ids is not None:
                allowed_ids = as_int32(admission.allowed_ids)
                kept.append(allowed_ids)
                structure.allowed_ids, structure.num_allowed = allowed_ids.ctypes.data, len(allowed_ids)
        self._check(self._library.dragoman_admit(self._handle, structures, len(admissions)))
        for admission in admissions:
            self._positions[admission.slot] = 0
            if admission.keep_attention:
                self._widths[admission.slot] = (admission.beam_size, len(admission.source_ids))

    def advance(self, rows: contract.Rows) -> None:
        """See `model.decoding.decoder.Decoder`."""
        structure = as_rows(rows)
        self._check(self._library.dragoman_advance(self._handle, structure))
        self._fed = rows, structure
        self._positions[rows.slots] = rows.positions + 1

    def extend(self, rows: contract.Rows, which: contract.Ints) -> contract.Extensions:
        """See `model.decoding.decoder.Decoder`."""
        which = as_int32(which)
        capacity = int(np.maximum.reduce(rows.num_extensions[which], initial=1))
        shape = (len(which), capacity)
        log_probs = np.empty(shape, dtype=np.float64)
        parents, token_ids = np.empty(shape, dtype=np.int32), np.empty(shape, dtype=np.int32)
        wanted = _NOTHING if rows.wanted is None else np.full(len(rows.wanted.token_ids), np.nan)
        failed = self._library.dragoman_extend(
            self._handle,
            self._structure(rows),
            data(which),
            len(which),
            capacity,
            data(log_probs),
            data(parents),
            data(token_ids),
            None if rows.wanted is None else data(wanted),
        )
        self._check(failed)
        return contract.Extensions(log_probs, parents, token_ids, wanted)

    def constrain(self, slot: int, rules: SlotRules) -> None:
        """See `model.decoding.search.stepping.SearchingDecoder`."""
        self._check(self._library.dragoman_constrain(self._handle, slot, as_slot_rules(rules)))

    def search_step(self, arrays: stepping.SearchArrays, slots: contract.Ints) -> contract.Ints:
        """See `model.decoding.search.stepping.SearchingDecoder`."""
        if self._searched is None or self._searched[0] is not arrays:
            self._searched = arrays, as_search_arrays(arrays)
        self._fed = None
        over, num_over = np.empty(len(slots), np.int32), ctypes.c_int32()
        failed = self._library.dragoman_search_step(
            self._handle,
            self._searched[1],
            address(slots, "<i4", len(slots)),
            len(slots),
            data(over),
            ctypes.byref(num_over),
        )
        self._check(failed)
        self._positions[slots] = arrays.positions[slots]
        return over[: num_over.value]

    def _structure(self, rows: contract.Rows) -> Rows:
        """The rows as a C structure, made once for each step."""
        return self._fed[1] if self._fed is not None and self._fed[0] is rows else as_rows(rows)

    def log_probs(self, rows: contract.Rows, which: contract.Ints) -> contract.Floats:
        """See `model.decoding.decoder.Decoder`."""
        which = as_int32(which)
        if len(which) and not 0 <= int(which.min()) <= int(which.max()) < len(rows.slots):
            raise InvalidInputError(
                f"there is no fed slot number {int(which[(which < 0) | (which >= len(rows.slots))][0])}"
            )
        num_rows = int((rows.offsets[which + 1] - rows.offsets[which]).sum())
        results = np.empty((num_rows, self._vocabulary.target_size), dtype=np.float32)
        self._check(
            self._library.dragoman_log_probs(
                self._handle, self._structure(rows), which.ctypes.data, len(which), results.ctypes.data
            )
        )
        return results

    def attention(self, slot: int) -> NDArray[np.float32]:
        """See `model.decoding.decoder.Decoder`."""
        assert slot in self._widths, "the slot was admitted without keep_attention"
        num_beams, source_length = self._widths[slot]
        shape = (int(self._positions[slot]), num_beams, source_length)
        weights = np.zeros(shape, np.float32)
        self._check(self._library.dragoman_attention(self._handle, slot, weights.size, weights.ctypes.data))
        return weights

    def score(self, given: Sequence[contract.Given]) -> list[contract.GivenScore]:
        """See `model.decoding.decoder.Decoder`."""
        kept = []
        structures = (Given * len(given))()
        for structure, one in zip(structures, given, strict=True):
            source_ids, target_ids = as_int32(one.source_ids), as_int32(one.target_ids)
            kept += [source_ids, target_ids]
            structure.source_ids, structure.source_length = source_ids.ctypes.data, len(source_ids)
            structure.target_ids, structure.target_length = target_ids.ctypes.data, len(target_ids)
            structure.keep_attention = one.keep_attention
        lengths = [max(len(one.target_ids) - 1, 0) for one in given]
        shapes = [
            (length, len(one.source_ids) * one.keep_attention) for one, length in zip(given, lengths, strict=True)
        ]
        log_probs = np.empty(sum(lengths))
        attention = np.empty(sum(rows * columns for rows, columns in shapes), np.float32)
        self._check(
            self._library.dragoman_score(
                self._handle, structures, len(given), log_probs.ctypes.data, attention.ctypes.data
            )
        )
        scores, row, number = [], 0, 0
        for length, source_length in shapes:
            last = number + length * source_length
            weights = attention[number:last].reshape(length, source_length) if source_length else None
            scores.append(contract.GivenScore(log_probs[row : row + length], weights))
            row, number = row + length, last
        return scores

    def release(self, slots: Sequence[int]) -> None:
        """See `model.decoding.decoder.Decoder`."""
        for slot in slots:
            self._widths.pop(slot, None)
            self._check(self._library.dragoman_release(self._handle, slot))

    def trim(self) -> None:
        """See `engines.trimming.Trims`."""
        self._check(self._library.dragoman_trim(self._handle))

    def _check(self, failed: int, prefix: str = "") -> None:
        if failed:
            error = InvalidInputError if failed == INVALID else MemoryError
            raise error(prefix + self._library.dragoman_message().decode())

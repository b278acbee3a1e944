"""What the kernels are handed: the contract's arrays as C structures of pointers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding import decoder as contract
from dragoman.model.decoding.decoders.native.library import (
    AUTOMATON_ARRAYS,
    Automaton,
    PieceLists,
    Rows,
    SearchArrays,
    SlotRules,
    Tensor,
)
from dragoman.model.decoding.search import automaton as automata
from dragoman.model.decoding.search import rule, stepping
from dragoman.model.errors import InvalidInputError
from dragoman.model.weights import StoredTensor


def as_tensor(name: str, tensor: StoredTensor) -> Tensor:
    values = tensor.values
    num_rows, num_columns = values.shape if values.ndim == 2 else (1, len(values))
    structure = Tensor(name=name.encode(), num_rows=num_rows, num_columns=num_columns)
    if tensor.scales is None:
        structure.floats = values.ctypes.data
    else:
        structure.bytes, structure.scales = values.ctypes.data, tensor.scales.ctypes.data
    return structure


def as_int32(numbers: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int32]:
    """A caller that takes the address of the result must keep the result, which may be a copy."""
    return np.ascontiguousarray(numbers, dtype=np.int32)


def as_rows(rows: contract.Rows) -> Rows:
    """Pointers into `rows`, which must outlive them. Raises InvalidInputError if an array has another type or length
    than the kernels take it to have."""
    num_slots, num_rows = len(rows.slots), len(rows.token_ids)
    slots, beams, positions = rows.ancestry.shape
    if rows.ancestry.dtype != np.uint8 or rows.ancestry.strides[2] != 1:
        raise InvalidInputError("the ancestry must be bytes, the positions side by side")
    return Rows(
        slots=address(rows.slots, "<i4", num_slots),
        offsets=address(rows.offsets, "<i4", num_slots + 1),
        positions=address(rows.positions, "<i4", num_slots),
        token_ids=address(rows.token_ids, "<i4", num_rows),
        log_probs=address(rows.log_probs, "<f8", num_rows),
        ancestry=data(rows.ancestry),
        ancestry_slot_stride=rows.ancestry.strides[0],
        ancestry_beam_stride=rows.ancestry.strides[1],
        num_extensions=address(rows.num_extensions, "<i4", num_slots),
        num_candidates=address(rows.candidates, "<i4", num_slots),
        excluded=_piece_lists(rows.excluded, num_rows),
        wanted=_piece_lists(rows.wanted, num_rows),
        num_slots=num_slots,
        num_rows=num_rows,
        ancestry_slots=slots,
        ancestry_beams=beams,
        ancestry_positions=positions,
    )


def as_search_arrays(arrays: stepping.SearchArrays) -> SearchArrays:
    """Pointers into `arrays`, which must outlive them, and their sizes. Raises InvalidInputError as `_rows` does."""
    num_slots, num_beams, num_positions = arrays.token_ids.shape
    by_place, by_ending = (num_slots, num_beams, num_positions), (num_slots, 2 * num_beams)
    shapes: dict[str, tuple[int, ...]] = {"token_ids": by_place, "log_probs": by_place, "ancestry": by_place}
    shapes |= {"last_ids": by_ending, "final_log_probs": by_ending, "lengths": by_ending}
    shapes["beams"] = (*by_ending, num_positions)
    types = {"log_probs": "<f8", "final_log_probs": "<f8", "ancestry": "|u1", "beams": "|u1"}
    names = [part.name for part in dataclasses.fields(arrays)]
    addresses = [
        address(getattr(arrays, name), types.get(name, "<i4"), *shapes.get(name, (num_slots,))) for name in names
    ]
    return SearchArrays(*addresses, num_slots, num_beams, num_positions)


def as_slot_rules(rules: rule.SlotRules) -> SlotRules:
    """Pointers into `rules`, which must outlive them. Raises InvalidInputError as `as_rows` does."""
    lists = (rules.prefix_ids, rules.suppressed_ids, rules.joined_ids)
    return SlotRules(
        *(address(pieces, "<i4", len(pieces)) for pieces in lists),
        *map(len, lists),
        rules.ngram_size,
        Automaton() if rules.automaton is None else _automaton(rules.automaton),
    )


def _automaton(automaton: automata.Automaton) -> Automaton:
    num_nodes, num_pieces, num_advancing = len(automaton.depths), len(automaton.pieces), len(automaton.advancing)
    num_terms, num_completes = automaton.num_terms, automaton.completes.shape[1]
    shapes = {
        "pieces": (num_pieces,),
        "moves": (num_nodes, num_pieces + 1),
        "remaining": (num_nodes, num_terms),
        "offsets": (num_nodes + 1,),
        "advancing": (num_advancing,),
        "completes": (num_nodes, num_completes),
        "leads": (num_advancing,),
    }
    types = {"completes": "<i8", "begun": "<i8", "leads": "<i8"}
    addresses = [
        address(getattr(automaton, name), types.get(name, "<i4"), *shapes.get(name, (num_nodes,)))
        for name in AUTOMATON_ARRAYS
    ]
    return Automaton(*addresses, num_nodes, num_terms, num_pieces, num_completes, num_advancing)


def _piece_lists(lists: contract.PieceLists | None, num_rows: int) -> PieceLists:
    if lists is None:
        return PieceLists()
    count = len(lists.token_ids)
    return PieceLists(
        offsets=address(lists.offsets, "<i4", num_rows + 1),
        token_ids=address(lists.token_ids, "<i4", count),
        count=count,
    )


def address(array: NDArray[Any], type_: str, *shape: int) -> int:
    """The address of the numbers of a contiguous array of this type and shape."""
    interface = array.__array_interface__
    if (interface["typestr"], interface["shape"], interface["strides"]) != (type_, shape, None):
        raise InvalidInputError(
            f"an array of {' × '.join(map(str, shape))} {type_} is due, not {array.shape} {array.dtype.str}"
        )
    place: int = interface["data"][0]
    return place


def data(array: NDArray[Any]) -> int:
    """The address of its numbers. A step needs a dozen; array.ctypes.data takes twice as long."""
    place: int = array.__array_interface__["data"][0]
    return place

"""The decoder's memory: preallocated slots, one source sentence each, whose beams share its cross-attention keys.

Only this module knows the layout. The slots in use are always the first ones, so that a step works on plain views.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from model.config import ArchitectureConfig

GROWTH = 32
"""Positions by which a tensor grows when a longer sentence comes."""


class _Step(NamedTuple):
    """What all layers of a step need. slots: [n], 0 to n - 1; positions: [n], this step's; length: positions in the
    view, the longest slot's; mask: [n · width, 1, 1, length], True up to the row's position."""

    slots: Tensor
    positions: Tensor
    length: int
    mask: Tensor


class SlotCache:
    """Keys and values of all decoder layers for up to `max_slots` sentences, `width` beams each.

    Tensors grow with the longest sentence and the widest beam seen, up to the architecture's limits.
    n below is the number of slots in use; rows are numbered slot · width + beam.
    """

    def __init__(self, config: ArchitectureConfig, max_slots: int, *, like: Tensor) -> None:
        """like: a tensor of the wanted device and float type."""
        self.max_slots = max_slots
        self.num_slots = 0
        self.width = 1
        self._positions = torch.zeros(max_slots, dtype=torch.int64, device=like.device)  # of the step to come
        self._source_mask = torch.zeros(max_slots, 0, dtype=torch.bool, device=like.device)

        def empty(num_beams: int, d_head: int) -> list[Tensor]:
            shape = (max_slots, num_beams, config.num_heads, 0, d_head)
            return [like.new_zeros(shape) for _ in range(config.num_decoder_layers)]

        # [max_slots, width, num_heads, length, d]; the source's have a single "beam", shared by all.
        self._keys, self._values = empty(1, config.d_key), empty(1, config.d_value)
        self._source_keys, self._source_values = empty(1, config.d_key), empty(1, config.d_value)
        self._step: _Step | None = None  # between begin_step and end_step

    def admit(self, projections: list[tuple[Tensor, Tensor]], source_mask: Tensor) -> None:
        """Puts m sentences into the next slots. projections: each layer's keys [m, num_heads, S, d_key] and values
        [m, num_heads, S, d_value]; source_mask: [m, S], True at real pieces."""
        num_new, source_length = source_mask.shape
        slots = slice(self.num_slots, self.num_slots + num_new)
        self._reserve_source(source_length)
        self._source_mask[slots] = False
        self._source_mask[slots, :source_length] = source_mask
        for layer, (keys, values) in enumerate(projections):
            self._source_keys[layer][slots, 0, :, :source_length] = keys
            self._source_values[layer][slots, 0, :, :source_length] = values
        self._positions[slots] = 0
        self.num_slots += num_new

    def begin_step(self) -> None:
        """Makes room for one more position of every slot in use."""
        positions = self._positions[: self.num_slots]
        length = int(positions.max()) + 1
        self._reserve_target(length)
        mask = torch.arange(length, device=positions.device) <= positions.unsqueeze(1)  # [n, length]
        row_mask = mask.repeat_interleave(self.width, dim=0)[:, None, None, :]
        slots = torch.arange(self.num_slots, device=positions.device)
        self._step = _Step(slots=slots, positions=positions, length=length, mask=row_mask)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `model.transformer.DecoderCache`. A row's place is its slot's position."""
        assert self._step is not None, "begin_step comes first"
        slots, positions, length, mask = self._step
        kept = []
        for memory, new in ((self._keys[layer], keys), (self._values[layer], values)):
            in_use = memory[: self.num_slots]  # [n, width, num_heads, allocated length, d]
            in_use[slots, :, :, positions] = new.view(self.num_slots, self.width, *new.shape[1:]).squeeze(3)
            kept.append(in_use.flatten(0, 1)[:, :, :length])
        return kept[0], kept[1], mask

    def source(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """See `model.transformer.DecoderCache`: one copy for all rows of a slot."""
        slots = slice(self.num_slots)
        mask = self._source_mask[slots, None, None, :]
        return self._source_keys[layer][slots, 0], self._source_values[layer][slots, 0], mask

    def end_step(self, parents: Tensor) -> None:
        """Lets every row go on from the beam of its slot that it grew from. parents: [n, width]."""
        assert self._step is not None, "begin_step comes first"
        length = self._step.length
        first_rows = torch.arange(self.num_slots, device=parents.device).unsqueeze(1) * self.width
        rows = (first_rows + parents).flatten()
        for memory in (*self._keys, *self._values):
            in_use = memory[: self.num_slots].flatten(0, 1)[:, :, :length]
            in_use.copy_(in_use.index_select(0, rows))
        self._positions[: self.num_slots] += 1
        self._step = None

    def keep(self, slots: Tensor) -> None:
        """Frees all slots but the given ones, which move to the front in that order. slots: [m] int64."""
        moved = (slots != torch.arange(len(slots), device=slots.device)).nonzero().squeeze(1)
        origins = slots[moved]
        for memory in (
            self._positions,
            self._source_mask,
            *self._keys,
            *self._values,
            *self._source_keys,
            *self._source_values,
        ):
            memory[moved] = memory[origins]
        self.num_slots = len(slots)

    def resize(self, width: int) -> None:
        """Changes the number of beams of every slot; what the kept beams hold stays."""
        for memories in (self._keys, self._values):
            for layer, memory in enumerate(memories):
                resized = memory.new_zeros(memory.shape[0], width, *memory.shape[2:])
                common = min(width, self.width)
                resized[: self.num_slots, :common] = memory[: self.num_slots, :common]
                memories[layer] = resized
        self.width = width

    def _reserve_target(self, length: int) -> None:
        if length > self._keys[0].shape[3]:
            for memories in (self._keys, self._values):
                memories[:] = [_lengthen(memory, length) for memory in memories]

    def _reserve_source(self, length: int) -> None:
        if length > self._source_mask.shape[1]:
            for memories in (self._source_keys, self._source_values):
                memories[:] = [_lengthen(memory, length) for memory in memories]
            wider = self._source_mask.new_zeros(self.max_slots, self._source_keys[0].shape[3])
            wider[:, : self._source_mask.shape[1]] = self._source_mask
            self._source_mask = wider


def _lengthen(memory: Tensor, length: int) -> Tensor:
    """[..., old length, d] -> [..., new length, d] with the new length rounded up to a multiple of GROWTH."""
    rounded = -(-length // GROWTH) * GROWTH
    longer = memory.new_zeros(*memory.shape[:-2], rounded, memory.shape[-1])
    longer[..., : memory.shape[-2], :] = memory
    return longer

"""The torch decoder's keys, values and recurrent states: a pool of positions, and a step's view of it.

L cached positions that a row attends to, S source positions.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dragoman.model.network.network import MemoryShape

Places = NDArray[np.int32]


class PositionPool:
    """Keys and values of all decoder layers for any number of positions, of sources and targets alike; and the states
    of recurrent layers, for the targets' positions. A source may begin them: its first position has the states before
    the target's first.

    A position keeps its place while it is taken. When no place is free, the pool grows by at least a quarter.
    """

    def __init__(self, shape: MemoryShape, *, like: Tensor) -> None:
        """like: a tensor of the wanted device and float type."""
        self.num_heads = shape.num_heads
        self.begins_with_states = shape.begins_with_states
        self._like = like
        # [capacity · num_heads, d]: with a row for every head a read needs no transposed copy.
        self._keys = [like.new_zeros(0, shape.d_key) for _ in range(shape.num_attentions)]
        self._values = [like.new_zeros(0, shape.d_value) for _ in range(shape.num_attentions)]
        self._states = [like.new_zeros(0, width) for width in shape.state_widths]  # [capacity, width]
        self._free: Places = np.zeros(0, np.int32)  # a stack
        self.capacity = 0

    @property
    def precision(self) -> torch.dtype:
        return self._like.dtype

    @property
    def num_taken(self) -> int:
        return self.capacity - len(self._free)

    def take(self, count: int) -> Places:
        """Places for `count` positions."""
        missing = count - len(self._free)
        if missing > 0:
            self._grow(max(missing, self.capacity // 4))
        self._free, taken = self._free[: len(self._free) - count], self._free[len(self._free) - count :]
        return taken

    def give_back(self, places: Places) -> None:
        self._free = np.concatenate((self._free, places))

    def write(self, layer: int, places: Tensor, keys: Tensor, values: Tensor) -> None:
        """keys [N, num_heads, d_key] and values [N, num_heads, d_value] of N positions; places: [N] int64."""
        for memory, new in ((self._keys[layer], keys), (self._values[layer], values)):
            memory.view(self.capacity, self.num_heads, -1).index_copy_(0, places, new)

    def read(self, layer: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of the pool's rows, [..., num_heads, L] from `rows_of` -> [..., num_heads, L, d]."""
        keys, values = self._keys[layer], self._values[layer]
        flat = rows.flatten()
        return keys.index_select(0, flat).view(*rows.shape, -1), values.index_select(0, flat).view(*rows.shape, -1)

    def write_states(self, layer: int, places: Tensor, states: Tensor) -> None:
        """states: [N, width] of N positions; places: [N] int64."""
        self._states[layer].index_copy_(0, places, states.to(self.precision))

    def read_states(self, layer: int, places: Tensor) -> Tensor:
        """[N] places, int64 -> [N, width]"""
        return self._states[layer].index_select(0, places)

    def rows_of(self, places: Places) -> Tensor:
        """[N, L] places -> [N, num_heads, L] rows for `read`."""
        first = self._tensor(places).unsqueeze(1) * self.num_heads
        return first + torch.arange(self.num_heads, device=first.device).unsqueeze(1)

    def _tensor(self, places: Places) -> Tensor:
        return torch.from_numpy(places.astype(np.int64)).to(self._like.device)

    def _grow(self, count: int) -> None:
        capacity = self.capacity + count
        grown = []
        # All before any is replaced: growing may run out of memory.
        for memories, num_rows in ((self._keys, self.num_heads), (self._values, self.num_heads), (self._states, 1)):
            longer = []
            for memory in memories:
                longer.append(memory.new_zeros(capacity * num_rows, memory.shape[1]))
                longer[-1][: len(memory)] = memory
            grown.append(longer)
        self._keys, self._values, self._states = grown
        self._free = np.concatenate((self._free, np.arange(self.capacity, capacity, dtype=np.int32)))
        self.capacity = capacity


class SourceView:
    """The sources' keys and values of some slots, gathered once and read until other slots decode."""

    def __init__(self, pool: PositionPool, places: Places, lengths: NDArray[np.int32]) -> None:
        """places: [n, S] of each slot's source, of which the first `lengths` [n] are real; padding repeats a position
        of the same sentence, since masked values must be finite and belong to that sentence."""
        self._pool, self._rows = pool, pool.rows_of(places)
        mask = torch.from_numpy(np.arange(places.shape[1]) < lengths[:, None])
        self._mask = mask[:, None, None, :].to(self._rows.device)
        self._gathered: dict[int, tuple[Tensor, Tensor]] = {}

    def read(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """See `model.network.network.DecoderCache.source`."""
        if layer not in self._gathered:
            self._gathered[layer] = self._pool.read(layer, self._rows)
        return *self._gathered[layer], self._mask


class StepCache:
    """The `model.network.network.DecoderCache` of one step of R rows, padded ones included."""

    def __init__(
        self,
        pool: PositionPool,
        source: SourceView,
        *,
        is_real: NDArray[np.bool_],
        read_places: Places,
        lengths: NDArray[np.int32],
        first_places: Places,
        watch: Callable[[int, Tensor], None],
    ) -> None:
        """is_real: [R] False for padding, which is not written.

        read_places: [R, L] the places that each row attends to; the first `lengths` [R], its own among them, are real.
        first_places: [R] those of the first position of each row's source.
        watch: called with each layer's cross-attention weights.
        """
        self._pool, self._source = pool, source
        self.attended = watch
        self._rows = pool.rows_of(read_places)
        device = self._rows.device
        rows = np.arange(len(lengths))
        last = np.where(lengths == 1, first_places, read_places[rows, np.maximum(lengths - 2, 0)])
        self._last = torch.from_numpy(last.astype(np.int64)).to(device)
        self._begins = torch.from_numpy(lengths == 1).to(device)[:, None, None]
        own = read_places[rows, lengths - 1][is_real]
        self._places = torch.from_numpy(own.astype(np.int64)).to(device)
        self._real = None if is_real.all() else torch.from_numpy(np.flatnonzero(is_real)).to(device)
        mask = torch.from_numpy(np.arange(read_places.shape[1]) < lengths[:, None])
        self._mask = mask[:, None, None, :].to(device)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `model.network.network.DecoderCache`."""
        new = (keys.squeeze(2), values.squeeze(2))
        if self._real is not None:
            new = (new[0][self._real], new[1][self._real])
        self._pool.write(layer, self._places, *new)
        return *self._pool.read(layer, self._rows), self._mask

    def last_state(self, layer: int) -> Tensor:
        """See `model.network.network.DecoderCache`."""
        states = self._pool.read_states(layer, self._last).unsqueeze(1)
        return states if self._pool.begins_with_states else states.masked_fill(self._begins, 0.0)

    def keep_state(self, layer: int, state: Tensor) -> None:
        """See `model.network.network.DecoderCache`."""
        states = state.squeeze(1)
        self._pool.write_states(layer, self._places, states if self._real is None else states[self._real])

    def source(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """See `model.network.network.DecoderCache`."""
        return self._source.read(layer)

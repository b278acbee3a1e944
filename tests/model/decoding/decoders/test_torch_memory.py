"""The pool of cached positions, while they are taken and given back."""

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.decoding.decoders.torch_memory import PositionPool, SourceView
from tests.model.decoding.engines.test_engine import NETWORK


@given(st.lists(st.integers(1, 9), max_size=20), st.integers(0, 2**32))
def test_places_are_taken_once_and_the_pool_is_little_larger_than_its_fullest_state(
    counts: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    pool = PositionPool(NETWORK.memory, like=torch.zeros(()))
    taken: list[np.ndarray] = []
    most = 0
    for count in counts:
        if taken and chance.random() < 0.5:
            pool.give_back(taken.pop(chance.randrange(len(taken))))
        taken.append(pool.take(count))
        places = np.concatenate(taken).tolist()
        assert len(set(places)) == len(places) == pool.num_taken
        assert all(0 <= place < pool.capacity for place in places)
        most = max(most, len(places))
        assert pool.capacity <= 1.25 * most


def test_growing_keeps_what_is_stored() -> None:
    pool = PositionPool(NETWORK.memory, like=torch.zeros((), dtype=torch.float64))
    stored = []
    for count in (1, 3, 8):
        places = pool.take(count)
        keys, values = torch.randn(count, 2, 6).double(), torch.randn(count, 2, 10).double()
        pool.write(0, torch.from_numpy(places.astype(np.int64)), keys, values)
        stored.append((places, keys, values))
    for places, keys, values in stored:
        found_keys, found_values = pool.read(0, pool.rows_of(places[None]))  # [1, num_heads, L, d]
        assert torch.equal(found_keys[0].transpose(0, 1), keys)
        assert torch.equal(found_values[0].transpose(0, 1), values)


def test_a_view_of_sources_pads_with_what_is_their_own() -> None:
    """A sentence beside which another has overflowed must not read its infinities, which no mask takes away."""
    pool = PositionPool(NETWORK.memory, like=torch.zeros(()))
    broken, sound = pool.take(3), pool.take(1)
    pool.write(0, torch.from_numpy(broken.astype(np.int64)), torch.full((3, 2, 6), torch.inf), torch.zeros(3, 2, 10))
    pool.write(0, torch.from_numpy(sound.astype(np.int64)), torch.ones(1, 2, 6), torch.ones(1, 2, 10))
    keys, values, mask = SourceView(pool, np.stack((broken, sound.repeat(3))), np.array([3, 1], np.int32)).read(0)
    assert keys.shape == (2, 2, 3, 6)
    assert mask.flatten(1).tolist() == [[True, True, True], [True, False, False]]
    assert (keys[1] == 1).all()
    assert (values[1] == 1).all()

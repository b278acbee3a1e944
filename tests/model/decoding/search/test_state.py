"""The search's bookkeeping over fixed slots against lists, with extensions made up at random."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.decoder import Extensions, Rows
from dragoman.model.decoding.search.state import GROWTH, Search
from tests.pieces import BOS_ID, EOS_ID, VOCABULARY

MAX_SLOTS = 4


@dataclass
class Twin:
    """One slot: hypotheses as lists of (piece, log probability so far, beam in which it was gained)."""

    beam_size: int
    max_length: int
    live: list[list[tuple[int, float, int]]] = field(default_factory=lambda: [[]])
    finished: list[tuple[list[tuple[int, float, int]], int]] = field(default_factory=list)  # with the parent beam
    is_done: bool = False

    @property
    def position(self) -> int:
        return len(self.live[0])

    def step(self, log_probs: list[float], parents: list[int], token_ids: list[int]) -> None:
        is_last = self.position + 1 == self.max_length
        live: list[list[tuple[int, float, int]]] = []
        for rank, (log_prob, parent, token_id) in enumerate(zip(log_probs, parents, token_ids, strict=True)):
            if log_prob == -np.inf or rank >= 2 * self.beam_size:
                continue
            if (token_id == EOS_ID or is_last) and rank < self.beam_size:
                self.finished.append(([*self.live[parent], (token_id, log_prob, -1)], parent))
            if token_id != EOS_ID and len(live) < self.beam_size:
                live.append([*self.live[parent], (token_id, log_prob, len(live))])
        self.is_done = is_last or len(self.finished) >= self.beam_size or not live
        self.live = live or [[]]


def make_extensions(rows: Rows, chance: random.Random) -> Extensions:
    shape = (len(rows.slots), int(rows.num_extensions.max()))
    log_probs, parents, token_ids = np.full(shape, -np.inf), np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for index, count in enumerate(rows.num_extensions.tolist()):
        possible = count if chance.random() < 0.8 else chance.randint(1, count)
        num_rows = int(rows.offsets[index + 1] - rows.offsets[index])
        log_probs[index, :possible] = sorted((-chance.random() for _ in range(possible)), reverse=True)
        for rank in range(possible):
            parents[index, rank] = chance.randrange(num_rows)
            token_ids[index, rank] = EOS_ID if chance.random() < 0.15 else chance.randint(4, 30)
    return Extensions(log_probs, parents, token_ids)


def check_rows(rows: Rows, twins: dict[int, Twin]) -> None:
    assert rows.slots.tolist() == sorted(twins)
    assert rows.offsets[0] == 0
    for index, slot in enumerate(sorted(twins)):
        twin = twins[slot]
        first, end = rows.offsets[index : index + 2].tolist()
        assert end - first == len(twin.live)
        assert rows.positions[index] == twin.position
        assert rows.num_extensions[index] == 2 * twin.beam_size
        for beam, pieces in enumerate(twin.live):
            last = pieces[-1] if pieces else (BOS_ID, 0.0, 0)
            assert rows.token_ids[first + beam] == last[0]
            assert rows.log_probs[first + beam] == last[1]
            # Before it gained its first piece it stood in beam 0, then in the one where it gained the piece before.
            lineage = [0, *(place for _, _, place in pieces)][: len(pieces)]
            assert rows.ancestry[slot, beam, : len(pieces)].tolist() == lineage


def check_finished(search: Search, slot: int, twin: Twin) -> None:
    endings = search.endings(slot)
    assert len(endings) == len(twin.finished)
    for ending, (pieces, parent) in zip(endings, twin.finished, strict=True):
        path = search.trace(slot, ending)
        assert path.token_ids == tuple(piece for piece, _, _ in pieces if piece != EOS_ID)
        totals = [0.0, *(total for _, total, _ in pieces)]
        assert path.token_log_probs == pytest.approx(tuple(np.diff(totals)))
        assert sum(path.token_log_probs) == pytest.approx(ending.log_prob)
        assert ending.beams.tolist() == [0, *(place for _, _, place in pieces)][: len(pieces)]
        assert ending.beams[-1] == parent


@given(seed=st.integers(0, 2**32), num_steps=st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_equals_the_twins_while_sentences_come_and_go(seed: int, num_steps: int) -> None:
    chance = random.Random(seed)
    search, twins = Search(MAX_SLOTS, VOCABULARY), dict[int, Twin]()
    for _ in range(num_steps):
        for slot in set(range(MAX_SLOTS)) - set(twins):
            if chance.random() < 0.4:
                beam_size, max_length = chance.choice([1, 2, 3, 8]), chance.choice([1, 3, 12, GROWTH, 2 * GROWTH + 1])
                twin = twins[slot] = Twin(beam_size, max_length)
                search.begin(
                    slot,
                    beam_size=twin.beam_size,
                    num_extensions=2 * twin.beam_size,
                    max_length=twin.max_length,
                )
        assert search.num_active == len(twins)
        if not twins:
            continue
        rows = search.rows()
        check_rows(rows, twins)
        for slot, twin in twins.items():
            assert search.live_pieces(slot).tolist() == [[piece for piece, _, _ in pieces] for pieces in twin.live]
        extensions = make_extensions(rows, chance)
        step = search.advance(rows, extensions)
        for index, slot in enumerate(sorted(twins)):
            twins[slot].step(
                extensions.log_probs[index].tolist(),
                extensions.parents[index].tolist(),
                extensions.token_ids[index].tolist(),
            )
            assert step.is_done[index] == twins[slot].is_done
            check_finished(search, slot, twins[slot])
        removed = [slot for slot, twin in twins.items() if twin.is_done or chance.random() < 0.03]
        search.remove(removed)
        for slot in removed:
            del twins[slot]


def test_a_slot_begins_anew() -> None:
    search = Search(1, VOCABULARY)
    for _ in range(2):
        search.begin(0, beam_size=1, num_extensions=2, max_length=2)
        assert search.rows().token_ids.tolist() == [BOS_ID]
        assert search.endings(0) == []
        for token_id in (7, 8):
            ids = np.array([[token_id, 9]], np.int32)
            rows = search.rows()
            step = search.advance(rows, Extensions(np.array([[-1.0, -2.0]]), np.zeros((1, 2), np.int32), ids))
        assert step.is_done.tolist() == [True]
        assert [search.trace(0, ending).token_ids for ending in search.endings(0)] == [(7, 8)]
        search.remove([0])
    assert search.num_active == 0

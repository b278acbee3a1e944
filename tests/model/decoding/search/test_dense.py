"""The slots whose rules must see every piece, beside others; what they compute is tested through the engine."""

import numpy as np
import pytest

from dragoman.model.decoding.decoder import Extensions, Floats, Ints, Rows
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search.dense import DenseSlots, join_extensions
from dragoman.model.decoding.search_options import SearchOptions
from tests.model.decoding.engines.engines import finished_by_step
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK, assert_same, make_engine
from tests.pieces import BOS_ID, EOS_ID

SAMPLING = SearchOptions(n_best=3, sampling_temperature=1.0)


@pytest.mark.parametrize(
    ("request_", "is_dense"),
    [
        (Request(0, (6,), SearchOptions(), 10), False),
        (Request(0, (6,), SearchOptions(min_target_length=5, coverage_penalty=1.0, return_attention=True), 10), False),
        (Request(0, (6,), SearchOptions(), 10, allowed_ids=np.array([3, 7], np.int32)), False),
        (Request(0, (6,), SearchOptions(no_repeat_ngram_size=2), 10), True),
        (Request(0, (6,), SearchOptions(), 10, suppressed_ids=(7,)), True),
        (Request(0, (6,), SearchOptions(), 10, prefix_ids=(7,)), True),
        (Request(0, (6,), SAMPLING, 10), True),
    ],
)
def test_only_slots_whose_rules_need_it_are_dense(request_: Request, is_dense: bool) -> None:
    dense = DenseSlots(EOS_ID)
    dense.begin(2, request_)
    assert len(dense) == is_dense
    dense.remove([1, 2])
    assert len(dense) == 0


class Watched(TorchDecoder):
    """Counts the slots that ask for every piece, and breaks the slot in which it is told to."""

    broken_slot = -1

    def __init__(self, max_slots: int) -> None:
        super().__init__(NETWORK, forbidden_ids=FORBIDDEN, max_slots=max_slots)
        self.num_dense: list[int] = []

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        self.num_dense.append(len(which))
        found = super().log_probs(rows, which)
        row = 0
        for index in which.tolist():
            num_rows = int(rows.offsets[index + 1] - rows.offsets[index])
            if rows.slots[index] == self.broken_slot:
                found[row : row + num_rows] = np.nan
            row += num_rows
        return found


def finish(engine: Engine) -> dict[int, tuple[TokenHypothesis, ...]]:
    found: dict[int, tuple[TokenHypothesis, ...]] = {}
    while engine.num_active:
        found |= {finished.id: finished.hypotheses for finished in finished_by_step(engine)}
    return found


def test_a_slot_is_plain_after_its_prefix() -> None:
    decoder = Watched(2)
    engine = Engine(decoder)
    engine.admit([Request(0, (6, 7), SearchOptions(), 12, prefix_ids=(8, 9)), Request(1, (6, 7), SearchOptions(), 12)])
    finish(engine)
    assert decoder.num_dense == [1, 1]


@pytest.mark.parametrize("options", [SAMPLING, SearchOptions(no_repeat_ngram_size=1)])
def test_a_network_that_breaks_on_a_sentence_touches_no_other(
    options: SearchOptions, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [Request(number, (6, 7 + number), options, 12) for number in range(3)]
    sound, broken = make_engine(3), Watched(3)
    broken.broken_slot = 1
    engine = Engine(broken)
    sound.admit(requests)
    engine.admit(requests)
    due, found = finish(sound), finish(engine)
    assert found[1] == ()
    assert caplog.messages == ["request 1: no translation is possible"]
    assert_same(found[0], list(due[0]))
    assert_same(found[2], list(due[2]))


def test_one_seed_draws_otherwise_for_another_sentence() -> None:
    # Alike, all sentences of a corpus would have their unlikely pieces at the same positions.
    options = SearchOptions(sampling_temperature=1.0)
    dense = DenseSlots(EOS_ID)
    number = np.arange(20, dtype=np.int32)
    for slot in number.tolist():
        dense.begin(slot, Request(slot, (6, 7 + slot), options, 10))
    rows = Rows(
        slots=number,
        offsets=np.arange(21, dtype=np.int32),
        positions=np.zeros(20, np.int32),
        token_ids=np.full(20, BOS_ID, np.int32),
        log_probs=np.zeros(20),
        ancestry=np.zeros((20, 1, 32), np.uint8),
        can_end=np.zeros(20, np.bool_),
        num_extensions=np.full(20, 2, np.int32),
    )
    equally_likely = np.full((20, 1000), -np.log(1000))
    extended = dense.extend(rows, number, equally_likely, lambda _: np.zeros((1, 0), np.int32))
    assert len({int(extensions.token_ids[0, 0]) for extensions in extended}) > 15


def test_extensions_of_all_slots_are_joined_in_their_places() -> None:
    def make(log_probs: list[list[float]], piece: int) -> Extensions:
        values = np.array(log_probs)
        return Extensions(values, np.ones(values.shape, np.int32), np.full(values.shape, piece, np.int32))

    joined = join_extensions(
        3,
        [
            (np.array([0, 2], np.int32), make([[-1.0], [-2.0]], 7)),
            (np.array([1], np.int32), make([[-3.0, -4.0]], EOS_ID)),
        ],
    )
    assert joined.log_probs.tolist() == [[-1.0, -np.inf], [-3.0, -4.0], [-2.0, -np.inf]]
    assert joined.parents.tolist() == [[1, 0], [1, 1], [1, 0]]
    assert joined.token_ids.tolist() == [[7, 0], [EOS_ID, EOS_ID], [7, 0]]

"""The queue's policy, with integers for requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidInputError
from server.scheduler import QueueFullError, Scheduler


def test_first_come_first_served() -> None:
    scheduler = Scheduler()
    scheduler.add([3, 1])
    scheduler.add([2])
    assert scheduler.admit(2) == [3, 1]
    assert scheduler.num_waiting == 1
    assert scheduler.admit(2) == [2]
    assert scheduler.admit(2) == []


def test_no_free_slot_admits_nobody() -> None:
    scheduler = Scheduler()
    scheduler.add([1])
    assert scheduler.admit(0) == []
    assert scheduler.num_waiting == 1


def test_the_cancelled_are_not_admitted() -> None:
    scheduler = Scheduler()
    scheduler.add([1, 2, 3])
    assert scheduler.cancel(2)
    assert not scheduler.cancel(2)
    assert not scheduler.cancel(9)
    assert scheduler.admit(9) == [1, 3]
    assert not scheduler.cancel(1)  # it waits no more


def test_a_full_queue_takes_all_or_nothing() -> None:
    scheduler = Scheduler(max_waiting=3)
    scheduler.add([1, 2])
    with pytest.raises(QueueFullError, match="2 sentences are waiting and 2 more would exceed the limit of 3"):
        scheduler.add([3, 4])
    assert scheduler.num_waiting == 2
    scheduler.add([5])
    assert scheduler.clear() == [1, 2, 5]
    assert scheduler.num_waiting == 0


def test_a_call_that_no_queue_would_hold_is_told_so() -> None:
    scheduler = Scheduler(max_waiting=3)
    with pytest.raises(InvalidInputError, match="the texts have 4 sentences, but at most 3 may wait: send fewer"):
        scheduler.add([1, 2, 3, 4])
    assert scheduler.num_waiting == 0


def test_looking_takes_nobody_out_of_the_queue() -> None:
    scheduler = Scheduler()
    scheduler.add([3, 1, 2])
    assert scheduler.peek(2) == [3, 1]
    assert scheduler.peek(9) == [3, 1, 2]
    assert scheduler.admit(1) == [3]
    assert scheduler.peek(0) == []
    assert scheduler.num_waiting == 2


@given(
    st.lists(st.one_of(st.integers(0, 5).map(lambda n: ("admit", n)), st.integers(0, 30).map(lambda n: ("cancel", n))))
)
def test_each_is_admitted_once_in_order_or_cancelled(actions: list[tuple[str, int]]) -> None:
    scheduler = Scheduler()
    scheduler.add(range(20))
    admitted: list[int] = []
    cancelled: set[int] = set()
    for action, number in actions:
        if action == "admit":
            admitted += scheduler.admit(number)
        elif scheduler.cancel(number):
            cancelled.add(number)
    admitted += scheduler.clear()
    assert admitted == sorted(set(range(20)) - cancelled)

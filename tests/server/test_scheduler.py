"""The queue's policy, with integers for requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidInputError
from server.scheduler import QueueFullError, Scheduler


def test_first_come_first_served() -> None:
    scheduler = Scheduler()
    for request in (3, 1, 2):
        scheduler.add([request])
    assert scheduler.admit(2) == [3, 1]
    assert scheduler.num_waiting == 1
    assert scheduler.admit(2) == [2]
    assert scheduler.admit(2) == []


def test_a_call_of_many_holds_up_no_other() -> None:
    scheduler = Scheduler()
    scheduler.add(range(1000))
    assert scheduler.admit(2) == [0, 1]
    scheduler.add([2000, 2001])
    scheduler.add([])
    scheduler.add([3000])
    assert scheduler.peek(6) == [2, 2000, 3000, 3, 2001, 4]
    assert scheduler.admit(1) == [2]
    assert scheduler.cancel(2000)
    assert scheduler.admit(2) == [2001, 3000]  # whose turn it is goes on from one time to the next
    assert scheduler.clear() == list(range(3, 1000))


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
    assert scheduler.clear() == [1, 5, 2]
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


actions = st.lists(
    st.one_of(
        st.integers(0, 5).map(lambda n: ("add", n)),
        st.integers(0, 5).map(lambda n: ("admit", n)),
        st.integers(0, 30).map(lambda n: ("cancel", n)),
    )
)


@given(actions)
def test_equals_the_twin_that_passes_calls_round(actions: list[tuple[str, int]]) -> None:
    scheduler = Scheduler()
    calls: list[list[int]] = []
    num_added = 0
    for action, number in [*actions, ("admit", 1000)]:
        waiting = [request for call in calls for request in call]
        if action == "add":
            new = list(range(num_added, num_added + number))
            num_added += number
            scheduler.add(new)
            calls.append(new)
        elif action == "cancel":
            assert scheduler.cancel(number) == (number in waiting)
            calls = [[request for request in call if request != number] for call in calls]
        else:
            due: list[int] = []
            while len(due) < number and any(calls):
                first, *rest = [call for call in calls if call]
                due.append(first[0])
                calls = [*rest, first[1:]]
            assert scheduler.peek(number) == due
            assert scheduler.admit(number) == due
        assert scheduler.num_waiting == sum(map(len, calls))

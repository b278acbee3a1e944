"""The queue's policy, with integers for requests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import Priority
from dragoman.server.scheduling.scheduler import BATCH_EVERY, QueueFullError, Scheduler
from tests.server.scheduling.test_fair_queue import SlowQueue

BATCH, INTERACTIVE = Priority.BATCH, Priority.INTERACTIVE


def costs(request_ids: Iterable[int]) -> dict[int, int]:
    return dict.fromkeys(request_ids, 1)


def test_first_come_first_served() -> None:
    scheduler = Scheduler()
    for request in (3, 1, 2):
        scheduler.add(costs([request]))
    assert scheduler.admit(2) == [3, 1]
    assert scheduler.num_waiting == 1
    assert scheduler.admit(2) == [2]
    assert scheduler.admit(2) == []


def peek(scheduler: Scheduler, num_requests: int) -> list[int]:
    """The requests that are next, at most so many, where there is room for none of them."""
    found: list[int] = []

    def refuse(request_ids: Sequence[int]) -> int:
        found.extend(request_ids)
        return 0

    assert scheduler.admit(num_requests, refuse) == []
    return found


def test_a_call_of_many_holds_up_no_other() -> None:
    scheduler = Scheduler()
    scheduler.add(costs(range(1000)))
    assert scheduler.admit(2) == [0, 1]
    scheduler.add(costs([2000, 2001]))
    scheduler.add({})
    scheduler.add(costs([3000]))
    assert peek(scheduler, 6) == [2, 2000, 3000, 3, 2001, 4]
    assert scheduler.admit(1) == [2]
    assert scheduler.cancel(2000)
    assert scheduler.admit(2) == [2001, 3000]  # whose turn it is goes on from one time to the next
    assert scheduler.clear() == list(range(3, 1000))


def test_no_free_slot_admits_nobody() -> None:
    scheduler = Scheduler()
    scheduler.add(costs([1]))
    assert scheduler.admit(0) == []
    assert scheduler.num_waiting == 1


def test_only_those_are_admitted_that_fit() -> None:
    scheduler = Scheduler()
    scheduler.add(costs([1, 2, 3, 4]))
    asked: list[Sequence[int]] = []

    def count_fitting(request_ids: Sequence[int]) -> int:
        asked.append(request_ids)
        return 2

    assert scheduler.admit(3, count_fitting) == [1, 2]
    assert asked == [[1, 2, 3]]
    assert scheduler.admit(9) == [3, 4]


def test_the_cancelled_are_not_admitted() -> None:
    scheduler = Scheduler()
    scheduler.add(costs([1, 2, 3]))
    assert scheduler.cancel(2)
    assert not scheduler.cancel(2)
    assert not scheduler.cancel(9)
    assert scheduler.admit(9) == [1, 3]
    assert not scheduler.cancel(1)  # it waits no more


def test_a_full_queue_takes_all_or_nothing() -> None:
    scheduler = Scheduler(max_waiting=3)
    scheduler.add(costs([1, 2]))
    with pytest.raises(QueueFullError, match="2 sentences are waiting and 2 more would exceed the limit of 3") as full:
        scheduler.add(costs([3, 4]))
    assert full.value.retry_after > 0
    assert scheduler.num_waiting == 2
    scheduler.add(costs([5]))
    assert scheduler.clear() == [1, 5, 2]
    assert scheduler.num_waiting == 0


def test_a_call_that_no_queue_would_hold_is_told_so() -> None:
    scheduler = Scheduler(max_waiting=3)
    with pytest.raises(InvalidInputError, match="the texts have 4 sentences, but at most 3 may wait: send fewer"):
        scheduler.add(costs([1, 2, 3, 4]))
    assert scheduler.num_waiting == 0


def test_batch_does_not_crowd_out_the_interactive() -> None:
    scheduler = Scheduler(max_waiting=2)
    scheduler.add(costs([1, 2]), priority=BATCH)
    scheduler.add(costs([3, 4]))
    for priority in Priority:
        with pytest.raises(QueueFullError):
            scheduler.add(costs([5]), priority=priority)
    assert scheduler.cancel(1)
    scheduler.add(costs([5]), priority=BATCH)


def test_the_patient_wait_beyond_the_bound_in_the_same_order() -> None:
    scheduler = Scheduler(max_waiting=2)
    scheduler.add(costs([1, 2]), client="a")
    scheduler.add(costs([3, 4, 5]), client="b", is_patient=True)
    with pytest.raises(QueueFullError):
        scheduler.add(costs([6]), client="a")
    assert scheduler.num_waiting == 5
    assert scheduler.admit(3) == [1, 3, 2]
    scheduler.add(costs([6, 7]), client="a")  # those that are patient do not count
    assert scheduler.cancel(4)
    with pytest.raises(QueueFullError):
        scheduler.add(costs([8]), client="a")
    assert scheduler.admit(9) == [5, 6, 7]


def test_a_request_that_does_not_fit_stays_in_the_queue() -> None:
    scheduler = Scheduler()
    scheduler.add(costs([3, 1, 2]))
    assert peek(scheduler, 2) == [3, 1]
    assert peek(scheduler, 9) == [3, 1, 2]
    assert scheduler.admit(1) == [3]
    assert peek(scheduler, 0) == []
    assert scheduler.num_waiting == 2


def test_the_interactive_go_first_and_every_eighth_is_batch() -> None:
    scheduler = Scheduler()
    scheduler.add(costs(range(100, 200)), priority=BATCH)
    scheduler.add(costs(range(20)))
    assert scheduler.admit(3) == [0, 1, 2]
    assert scheduler.admit(7) == [3, 4, 5, 6, 100, 7, 8]  # counted on from one time to the next
    assert scheduler.admit(16) == [9, 10, 11, 12, 13, 101, *range(14, 20), 102, 103, 104, 105]


def test_batch_that_comes_finds_no_one_passed_it() -> None:
    scheduler = Scheduler()
    scheduler.add(costs(range(100)))
    assert scheduler.admit(50) == list(range(50))
    scheduler.add(costs([200, 201]), priority=BATCH)
    assert scheduler.admit(9) == [*range(50, 57), 200, 57]
    assert scheduler.cancel(201)
    assert scheduler.admit(20) == list(range(58, 78))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6), st.integers(0, 6)), max_size=60))
def test_no_priority_waits_for_more_than_it_should(actions: list[tuple[bool, int, int]]) -> None:
    scheduler = Scheduler()
    passed: dict[int, list[int]] = {}  # by waiting request, how many of its own and of the other priority were before
    batch: set[int] = set()
    num_added = 0
    for is_batch, num_requests, num_slots in [*actions, (False, 1, 1000)]:
        new = range(num_added, num_added + num_requests)
        num_added += num_requests
        scheduler.add(costs(new), priority=BATCH if is_batch else INTERACTIVE)
        batch.update(new if is_batch else ())
        passed.update((request_id, [0, 0]) for request_id in new)
        for request_id in scheduler.admit(num_slots):
            num_alike, num_others = passed.pop(request_id)
            if request_id in batch:
                assert num_others <= (BATCH_EVERY - 1) * (num_alike + 1)
            else:
                assert num_others <= num_alike // (BATCH_EVERY - 1) + 1
            for other, counts in passed.items():
                counts[(other in batch) != (request_id in batch)] += 1
    assert not passed


def test_a_deadline_takes_a_call_out_of_the_queue() -> None:
    scheduler = Scheduler()
    scheduler.add(costs([1, 2, 3]), deadline=5.0)
    scheduler.add(costs([4]))
    scheduler.add(costs([5]), deadline=4.0, priority=BATCH)
    scheduler.add(costs([6]), deadline=5.5, client="another")
    assert scheduler.expire(3.9) == []
    assert scheduler.admit(1) == [1]
    assert scheduler.expire(5.0) == [5, 2, 3]
    assert scheduler.expire(5.0) == []
    assert not scheduler.cancel(2)
    assert scheduler.num_waiting == 2
    assert scheduler.clear() == [6, 4]


def test_an_expired_call_makes_room() -> None:
    scheduler = Scheduler(max_waiting=2)
    scheduler.add(costs([1, 2]), deadline=1.0)
    scheduler.expire(2.0)
    scheduler.add(costs([3, 4]))


def test_deadlines_of_calls_that_are_over_are_forgotten() -> None:
    scheduler = Scheduler()
    scheduler.add(costs([-1]), deadline=2e9)
    for number in range(0, 2000, 2):
        scheduler.add(costs([number, number + 1]), deadline=1e9 + number, priority=BATCH)
        assert scheduler.cancel(number)
        assert scheduler.cancel(-1)
        assert scheduler.admit(1) == [number + 1]
        scheduler.add(costs([-1]), deadline=2e9)
        assert len(scheduler._deadlines) < 200
    assert scheduler.expire(2e9) == [-1]
    assert not scheduler._places
    assert not scheduler._open


@dataclass
class SlowScheduler:
    """The whole policy, written down: looks at everything all the time."""

    max_waiting: int
    queues: dict[Priority, SlowQueue] = field(default_factory=lambda: {one: SlowQueue() for one in Priority})
    waiting: dict[int, tuple[Priority, float, bool]] = field(default_factory=dict)
    num_passed: int = 0

    def add(
        self, request_ids: list[int], cost: int, client: str, priority: Priority, deadline: float, patient: bool
    ) -> bool:
        num_bounded = sum(one is priority and not is_patient for one, _, is_patient in self.waiting.values())
        if not patient and num_bounded + len(request_ids) > self.max_waiting:
            return False
        if request_ids:
            self.queues[priority].add(client, [(request_id, cost) for request_id in request_ids])
        self.waiting.update(dict.fromkeys(request_ids, (priority, deadline, patient)))
        return True

    def remove(self, request_ids: list[int]) -> None:
        for request_id in request_ids:
            priority, *_ = self.waiting.pop(request_id)
            self.queues[priority].remove(request_id)

    def expire(self, now: float) -> list[int]:
        late = [request_id for request_id, (_, deadline, _) in self.waiting.items() if deadline <= now]
        self.remove(late)
        return late

    def admit(self) -> int:
        present = {priority for priority, *_ in self.waiting.values()}
        is_batch = present == {BATCH} or (len(present) == 2 and self.num_passed == BATCH_EVERY - 1)
        self.num_passed = self.num_passed + 1 if len(present) == 2 and not is_batch else 0
        request_id = self.queues[BATCH if is_batch else INTERACTIVE].take()
        del self.waiting[request_id]
        return request_id


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.lists(st.none(), max_size=5).map(len),
            st.integers(1, 5),
            st.sampled_from("ab"),
            st.sampled_from(Priority),
            st.sampled_from([3.0, 6.0, 1e9]),
            st.booleans(),
        ),
        st.tuples(st.just("admit"), st.integers(0, 12), st.integers(0, 12)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("wait")),
    ),
    max_size=60,
)


@given(actions)
def test_equals_the_twin(actions: list[tuple[object, ...]]) -> None:
    scheduler, twin = Scheduler(max_waiting=8), SlowScheduler(8)
    now, num_added = 0.0, 0
    for action in [*actions, ("admit", 1000, 1000)]:
        match action:
            case ("add", int(size), int(cost), str(client), Priority() as priority, float(deadline), bool(is_patient)):
                new = list(range(num_added, num_added + size))
                num_added += size
                is_taken = twin.add(new, cost, client, priority, deadline, is_patient)
                try:
                    scheduler.add(
                        dict.fromkeys(new, cost),
                        client=client,
                        priority=priority,
                        deadline=deadline if deadline < 1e9 else None,
                        is_patient=is_patient,
                    )
                    assert is_taken
                except QueueFullError:
                    assert not is_taken
            case ("admit", int(num_slots), int(num_fitting)):
                num_admitted = min(num_slots, num_fitting, len(twin.waiting))
                due = [twin.admit() for _ in range(num_admitted)]
                assert peek(scheduler, num_admitted) == due
                assert scheduler.admit(num_slots, lambda ids: min(num_fitting, len(ids))) == due
            case ("cancel", int(request_id)):
                assert scheduler.cancel(request_id) == (request_id in twin.waiting)
                if request_id in twin.waiting:
                    twin.remove([request_id])
            case ("wait",):
                now += 1
                assert sorted(scheduler.expire(now)) == sorted(twin.expire(now))
        assert scheduler.num_waiting == len(twin.waiting)


def test_memory_is_bounded_as_well_as_number() -> None:
    scheduler = Scheduler(max_waiting=10, max_waiting_bytes=100)
    scheduler.add(costs([1, 2]), num_bytes={1: 30, 2: 30})
    with pytest.raises(QueueFullError, match="take 60 bytes of memory and 41 more would exceed the limit of 100"):
        scheduler.add(costs([3]), num_bytes={3: 41})
    with pytest.raises(InvalidInputError, match="the texts take 101 bytes of memory, but at most 100 may wait"):
        scheduler.add(costs([3, 4]), num_bytes={3: 50, 4: 51})
    scheduler.add(costs([3]), num_bytes={3: 41}, priority=BATCH)  # has a bound of its own
    scheduler.add(costs([4]), num_bytes={4: 1000}, is_patient=True)  # and the patient none
    assert scheduler.cancel(1)
    scheduler.add(costs([5]), num_bytes={5: 70})
    assert set(scheduler.clear()) == {2, 3, 4, 5}
    scheduler.add(costs([6]), num_bytes={6: 100})

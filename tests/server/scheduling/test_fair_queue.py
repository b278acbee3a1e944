"""Fair shares between clients, on numbers: against an obvious twin, and what they promise."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dragoman.server.scheduling.fair_queue import FairQueue

clients = st.sampled_from("abcd")
actions = st.lists(
    st.one_of(
        st.tuples(st.just("add"), clients, st.lists(st.integers(1, 9), min_size=1, max_size=5)),
        st.tuples(st.just("take"), st.just(""), st.lists(st.none(), max_size=6)),
        st.tuples(st.just("remove"), st.just(""), st.lists(st.none(), max_size=30)),
    ),
    max_size=60,
)


class SlowQueue:
    """The definition, written down: looks at everything all the time and forgets nobody."""

    def __init__(self) -> None:
        self.calls: dict[str, list[list[tuple[int, int]]]] = {}
        self.starts: dict[str, int] = {}
        self.since: dict[str, int] = {}  # when the client's start tag became what it is
        self.virtual_time = 0
        self.num_events = 0

    def is_waiting(self, client: str) -> bool:
        return any(self.calls.get(client, []))

    def set_start(self, client: str, start: int) -> None:
        self.num_events += 1
        self.starts[client], self.since[client] = start, self.num_events

    def add(self, client: str, call: list[tuple[int, int]]) -> None:
        if not self.is_waiting(client):
            self.set_start(client, max(self.virtual_time, self.starts.get(client, 0)))
        self.calls.setdefault(client, []).append(call)

    def take(self) -> int:
        waiting = [client for client in self.calls if self.is_waiting(client)]
        client = min(waiting, key=lambda one: (self.starts[one], self.since[one]))
        first, *others = [call for call in self.calls[client] if call]
        request_id, cost = first[0]
        self.calls[client] = [*others, first[1:]]
        self.virtual_time = self.starts[client]
        self.set_start(client, self.virtual_time + cost)
        self.end_busy_period()
        return request_id

    def remove(self, request_id: int) -> None:
        for calls in self.calls.values():
            calls[:] = [[one for one in call if one[0] != request_id] for call in calls]
        self.end_busy_period()

    def end_busy_period(self) -> None:
        if not any(map(self.is_waiting, self.calls)):
            self.virtual_time = max(self.starts.values())


def take(queue: FairQueue, num_requests: int) -> list[int]:
    taken = []
    for _ in range(num_requests):
        turn = next(queue.in_order(), None)
        if turn is None:
            break
        queue.take(turn)
        taken.append(turn.request_id)
    return taken


def add(queue: FairQueue, client: str, number: int, costs: Sequence[int]) -> None:
    """Requests are numbered on from 100 times the call's number."""
    queue.add(client, number, {100 * number + index: cost for index, cost in enumerate(costs)})


@given(actions)
def test_equals_the_twin(actions: list[tuple[str, str, list[int]]]) -> None:
    queue, twin = FairQueue(1000), SlowQueue()
    places: dict[int, tuple[str, int]] = {}
    for number, (action, client, costs) in enumerate([*actions, ("take", "", [0] * 1000)]):
        if action == "add":
            add(queue, client, number, costs)
            call = [(100 * number + index, cost) for index, cost in enumerate(costs)]
            twin.add(client, call)
            places.update((request_id, (client, number)) for request_id, _ in call)
        elif action == "take":
            expected = [turn.request_id for turn in queue.in_order()][: len(costs)]
            due = [twin.take() for _ in range(min(len(costs), len(places)))]
            assert expected == due  # all at once, before anything is taken
            assert take(queue, len(costs)) == due
            for request_id in due:
                del places[request_id]
        elif places:
            request_id = sorted(places)[len(costs) % len(places)]
            queue.remove(*places.pop(request_id), request_id)
            twin.remove(request_id)
    assert not places
    assert queue.num_clients == 0


@given(
    st.lists(st.integers(1, 20), min_size=20, max_size=20),
    st.lists(st.integers(1, 20), min_size=80, max_size=80),
    st.integers(1, 9),
)
def test_two_clients_of_unequal_loads_get_equal_shares(few: list[int], many: list[int], num_calls: int) -> None:
    queue = FairQueue(1000)
    for number in range(num_calls):
        add(queue, "many", number, many[number::num_calls])
    add(queue, "few", 10, few)
    costs = Counter[bool]()
    by_id = {100 * number + index: c for number in range(num_calls) for index, c in enumerate(many[number::num_calls])}
    for _ in range(len(few) + len(many)):
        (request_id,) = take(queue, 1)
        is_few = request_id >= 1000
        costs[is_few] += few[request_id - 1000] if is_few else by_id[request_id]
        if costs[True] == sum(few):
            break
        assert abs(costs[True] - costs[False]) <= max(few) + max(many)  # Goyal et al., theorem 1


def test_equals_go_in_turn() -> None:
    queue = FairQueue(1000)
    for number, client in enumerate("abc"):
        add(queue, client, number, [5] * 3)
    assert take(queue, 9) == [0, 100, 200, 1, 101, 201, 2, 102, 202]


def test_who_comes_late_gets_no_more_than_a_share() -> None:
    queue = FairQueue(1000)
    add(queue, "early", 0, [1] * 20)
    assert take(queue, 10) == list(range(10))
    add(queue, "late", 1, [1] * 5)
    assert take(queue, 10) == [100, 10, 101, 11, 102, 12, 103, 13, 104, 14]


def test_who_comes_again_and_again_gets_no_more_than_a_share() -> None:
    queue = FairQueue(1000)
    add(queue, "stays", 0, [1] * 20)
    taken = []
    for number in range(1, 10):
        add(queue, "comes", number, [1])  # when its last one was taken, and so nothing of it waits
        taken += take(queue, 2)
    assert [request_id >= 100 for request_id in taken] == [False, True] * 9


def test_what_is_withdrawn_costs_nothing() -> None:
    queue = FairQueue(1000)
    add(queue, "a", 0, [1] * 4)
    add(queue, "b", 1, [50, 1])
    queue.remove("b", 1, 100)
    assert take(queue, 5) == [0, 101, 1, 2, 3]


def test_who_withdraws_all_and_comes_again_is_not_lost() -> None:
    queue = FairQueue(1000)
    add(queue, "a", 0, [1] * 2)
    add(queue, "b", 1, [1])
    queue.remove("b", 1, 100)
    add(queue, "b", 2, [1] * 2)
    assert [turn.request_id for turn in queue.in_order()] == [0, 200, 1, 201]


def test_a_long_sentence_counts_for_more_than_a_short_one() -> None:
    queue = FairQueue(1000)
    add(queue, "long", 0, [10] * 3)
    add(queue, "short", 1, [2] * 15)
    assert [request_id < 100 for request_id in take(queue, 12)] == 2 * [True, *[False] * 5]


def test_clients_that_left_are_forgotten() -> None:
    queue = FairQueue(1000)
    add(queue, "stays", 0, [1] * 100_000)
    for number in range(1, 5000):
        add(queue, f"client {number}", number, [2])
        take(queue, 4)
        assert queue.num_clients < 200
    take(queue, 100_000)
    assert queue.num_clients == 0


def test_it_does_not_remember_more_than_it_may() -> None:
    queue = FairQueue(100)
    add(queue, "stays", 0, [1000, 1000])
    take(queue, 1)
    for number in range(1, 1000):  # each is new, so it goes before the one that has had its share
        add(queue, f"client {number}", number, [1])
        assert take(queue, 1) == [100 * number]
        assert queue.num_clients <= 250


def test_clients_that_come_and_withdraw_leave_nothing() -> None:
    queue = FairQueue(1000)
    add(queue, "stays", 0, [1] * 2)
    for number in range(1, 5000):
        add(queue, "comes", number, [1])
        queue.remove("comes", number, 100 * number)
        assert len(queue._heap) < 200
    assert take(queue, 9) == [0, 1]

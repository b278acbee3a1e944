"""Fairness between clients: start-time fair queueing, and each client's calls in turn. On numbers and names alone."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

_LEAST_SWEPT = 64
"""Clients, or entries of the heap, below which it is not worth while to look for those that are of no use any more."""


@dataclass(slots=True, eq=False)
class Flow:
    """What one client has waiting.

    start: the start tag of its next request, in cost.
    tag:   of its valid entry in the heap; 0 where it has none.
    calls: by number of call, whose turn is next first, the costs of its requests by their id; none of them is empty.
    """

    client: str
    start: int
    tag: int = 0
    # Ordered: to take the first out of a plain dictionary, again and again, is quadratic.
    calls: OrderedDict[int, OrderedDict[int, int]] = field(default_factory=OrderedDict)

    def in_turn(self) -> Iterator[tuple[int, int, int]]:
        """All that wait, as number of call, id and cost: one of each call in turn. Who needs only the first pays for
        these alone."""
        begun: deque[tuple[int, Iterator[tuple[int, int]]]] = deque()
        for number, requests in self.calls.items():
            rest = iter(requests.items())
            yield number, *next(rest)
            begun.append((number, rest))
        while begun:
            number, rest = begun.popleft()
            for request_id, cost in islice(rest, 1):
                yield number, request_id, cost
                begun.append((number, rest))


@dataclass(frozen=True, slots=True)
class Turn:
    """A request whose turn it is, and where it waits."""

    request_id: int
    number: int
    flow: Flow
    queue: "FairQueue"


class FairQueue:
    """The order of requests by start-time fair queueing (Goyal, Vin and Cheng 1996), where every client has the same
    weight: over any time in which two clients have something waiting, the costs of what is admitted for each differ by
    no more than those of two requests, however much the one or the other sends.

    A client's next request has a start tag: the queue's virtual time when the client came, or the finish tag of its
    previous request, whichever is later. The finish tag is the start tag and the cost. The least start tag is next,
    and is the virtual time from then on. Of equal ones the first to have got it is next.

    Not thread-safe.
    """

    def __init__(self, max_remembered: int) -> None:
        """max_remembered: clients with nothing waiting of whom it is known how much they have had."""
        self._max_remembered = max_remembered
        self._flows: dict[str, Flow] = {}  # by client; none of them is empty
        self._heap: list[tuple[int, int, Flow]] = []  # start tag, tag; void if the tag is not its flow's
        self._num_tags = 0
        self._virtual_time = 0
        self._remembered: dict[str, int] = {}  # by client with nothing waiting, its finish tag
        self._next_sweep = _LEAST_SWEPT

    @property
    def num_clients(self) -> int:
        """Clients that it holds anything of, be it but how much they have had."""
        return len(self._flows) + len(self._remembered)

    def add(self, client: str, number: int, costs: Mapping[int, int]) -> None:
        """Queues a call's requests: their costs by their ids, in order; not empty."""
        flow = self._flows.get(client)
        if flow is None:
            start = max(self._virtual_time, self._remembered.pop(client, 0))
            flow = self._flows[client] = Flow(client, start)
            self._tag(flow)
        flow.calls[number] = OrderedDict(costs)

    def remove(self, client: str, number: int, request_id: int) -> None:
        """Takes a request out, which costs its client nothing."""
        flow = self._flows[client]
        requests = flow.calls[number]
        del requests[request_id]
        if not requests:
            del flow.calls[number]
            if not flow.calls:
                self._leave(flow)

    def in_order(self) -> Iterator[Turn]:
        """All that wait, in order; nothing changes, and who needs only the first pays for these alone."""
        heap, num_tags = self._heap.copy(), self._num_tags
        turns: dict[str, Iterator[tuple[int, int, int]]] = {}
        num_pushed = num_tags
        while heap:
            start, tag, flow = heapq.heappop(heap)
            if tag <= num_tags and tag != flow.tag:
                continue
            if flow.client not in turns:
                turns[flow.client] = flow.in_turn()
            for number, request_id, cost in islice(turns[flow.client], 1):
                yield Turn(request_id, number, flow, self)
                num_pushed += 1
                heapq.heappush(heap, (start + cost, num_pushed, flow))

    def take(self, turn: Turn) -> None:
        """Takes out the request that is next."""
        flow = turn.flow
        requests = flow.calls.pop(turn.number)
        cost = requests.pop(turn.request_id)
        if requests:  # behind all others
            flow.calls[turn.number] = requests
        self._virtual_time = flow.start
        flow.start += cost
        if flow.calls:
            self._tag(flow)
        else:
            self._leave(flow)

    def _tag(self, flow: Flow) -> None:
        self._num_tags += 1
        flow.tag = self._num_tags
        heapq.heappush(self._heap, (flow.start, flow.tag, flow))
        while self._heap[0][1] != self._heap[0][2].tag:
            heapq.heappop(self._heap)
        if len(self._heap) > _LEAST_SWEPT + 2 * len(self._flows):
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].tag]
            heapq.heapify(self._heap)

    def _leave(self, flow: Flow) -> None:
        """Remembers what the client has had, or else it could go ahead of the others by coming again and again."""
        del self._flows[flow.client]
        flow.tag = 0
        if not self._flows:  # the end of a busy period: all begin anew and alike
            self._remembered.clear()
            self._heap.clear()
            return
        if flow.start > self._virtual_time:
            self._remembered[flow.client] = flow.start
        if len(self._remembered) > self._next_sweep:
            now = self._virtual_time
            self._remembered = {client: finish for client, finish in self._remembered.items() if finish > now}
            if len(self._remembered) > self._max_remembered:
                self._remembered.clear()  # each of them gains one request by it
            self._next_sweep = max(_LEAST_SWEPT, 2 * len(self._remembered))

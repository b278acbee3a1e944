"""Fairness between clients: start-time fair queueing, with each client's calls in turn."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

_LEAST_SWEPT = 64
"""Number of clients, or of heap entries, below which obsolete ones are not removed."""


@dataclass(slots=True, eq=False)
class Flow:
    """One client's waiting requests.

    start: start tag of its next request, in units of cost.
    tag:   tag of its valid heap entry; 0 without one.
    calls: by number of call, next call first: the costs of its requests by id, never empty.
    """

    client: str
    start: int
    tag: int = 0
    # An OrderedDict: taking the first item of a plain dictionary again and again is quadratic.
    calls: OrderedDict[int, OrderedDict[int, int]] = field(default_factory=OrderedDict)

    def in_turn(self) -> Iterator[tuple[int, int, int]]:
        """All waiting requests as number of call, id and cost, lazily: one of each call in turn."""
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
    """A request in order of admission, and its place in the queue."""

    request_id: int
    number: int
    flow: Flow
    queue: "FairQueue"


class FairQueue:
    """Start-time fair queueing (Goyal, Vin and Cheng 1996) with equal weights: over any time in which two clients both
    have waiting requests, the costs of their admitted requests differ by at most the cost of two requests, however many
    either client sends.

    The start tag of a client's next request is the greater of the queue's virtual time when the client came and the
    finish tag of its previous request. The finish tag is the start tag plus the cost. The request with the least start
    tag is next, and its start tag becomes the virtual time. Equal tags are served in the order in which they were
    given.

    Not thread-safe.
    """

    def __init__(self, max_remembered: int) -> None:
        """max_remembered: number of clients without waiting requests whose finish tags are kept."""
        self._max_remembered = max_remembered
        self._flows: dict[str, Flow] = {}  # by client; never empty
        self._heap: list[tuple[int, int, Flow]] = []  # start tag, tag; void if the tag is not its flow's
        self._num_tags = 0
        self._virtual_time = 0
        self._remembered: dict[str, int] = {}  # by client without waiting requests: its finish tag
        self._next_sweep = _LEAST_SWEPT

    @property
    def num_clients(self) -> int:
        """Number of clients with waiting requests or a remembered finish tag."""
        return len(self._flows) + len(self._remembered)

    def add(self, client: str, number: int, costs: Mapping[int, int]) -> None:
        """Queue a call's requests. costs: by id, in order; not empty."""
        flow = self._flows.get(client)
        if flow is None:
            start = max(self._virtual_time, self._remembered.pop(client, 0))
            flow = self._flows[client] = Flow(client, start)
            self._tag(flow)
        flow.calls[number] = OrderedDict(costs)

    def remove(self, client: str, number: int, request_id: int) -> None:
        """Remove a request at no cost to its client."""
        flow = self._flows[client]
        requests = flow.calls[number]
        del requests[request_id]
        if not requests:
            del flow.calls[number]
            if not flow.calls:
                self._leave(flow)

    def in_order(self) -> Iterator[Turn]:
        """All waiting requests in order, lazily, without changing the queue."""
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
        """Remove the request that is next."""
        flow = turn.flow
        requests = flow.calls.pop(turn.number)
        cost = requests.pop(turn.request_id)
        if requests:  # behind the client's other calls
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
        """Remember the client's finish tag; otherwise it could overtake other clients by leaving and coming again."""
        del self._flows[flow.client]
        flow.tag = 0
        if not self._flows:  # the end of a busy period: all clients start equal again
            self._remembered.clear()
            self._heap.clear()
            return
        if flow.start > self._virtual_time:
            self._remembered[flow.client] = flow.start
        if len(self._remembered) > self._next_sweep:
            now = self._virtual_time
            self._remembered = {client: finish for client, finish in self._remembered.items() if finish > now}
            if len(self._remembered) > self._max_remembered:
                self._remembered.clear()  # each client gains at most one request
            self._next_sweep = max(_LEAST_SWEPT, 2 * len(self._remembered))

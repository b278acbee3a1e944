"""Counters of an engine: each is written by one thread, and any thread may read it meanwhile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dragoman.model.decoding.request import Finished, Request


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """Counts of an engine since it was made, over all of its threads or processes, and its present state.

    num_steps:            steps; each decodes one target position of every sentence of a thread or process.
    step_seconds:         duration of the steps, the encoding of new sentences included.
    num_slot_steps:       the sum over the steps of the occupied slots.
    num_admitted:         admitted requests; num_finished: finished ones; num_cancelled: cancelled ones.
    num_source_pieces:    pieces of the admitted requests, language tags and ends of sentences included.
    num_target_pieces:    pieces of the finished requests' best hypotheses.
    num_slots:            sentences that the living processes can decode at once.
    num_active:           sentences being decoded.
    num_replicas:         engine processes configured; 0 if the engine runs in this process.
    num_replicas_alive:   engine processes that are ready.
    num_replica_restarts: processes started in place of one that ended.
    """

    num_steps: int = 0
    step_seconds: float = 0.0
    num_slot_steps: int = 0
    num_admitted: int = 0
    num_finished: int = 0
    num_cancelled: int = 0
    num_source_pieces: int = 0
    num_target_pieces: int = 0
    num_slots: int = 0
    num_active: int = 0
    num_replicas: int = 0
    num_replicas_alive: int = 0
    num_replica_restarts: int = 0


@dataclass(slots=True)
class StepCounts:
    """See the fields of the same names of `EngineStatistics`."""

    num_steps: int = 0
    step_seconds: float = 0.0
    num_slot_steps: int = 0

    def count(self, num_slots: int, seconds: float) -> None:
        """Counts one step with num_slots occupied slots."""
        self.num_steps += 1
        self.num_slot_steps += num_slots
        self.step_seconds += seconds


@dataclass(slots=True)
class RequestCounts:
    """See the fields of the same names of `EngineStatistics`."""

    num_admitted: int = 0
    num_finished: int = 0
    num_cancelled: int = 0
    num_source_pieces: int = 0
    num_target_pieces: int = 0

    def count_admitted(self, requests: Sequence[Request]) -> None:
        self.num_admitted += len(requests)
        self.num_source_pieces += sum(len(request.source_ids) for request in requests)

    def count_finished(self, finished: Finished) -> None:
        self.num_finished += 1
        if finished.hypotheses:
            self.num_target_pieces += len(finished.hypotheses[0].token_ids)


def make_statistics(
    requests: RequestCounts,
    steps: Iterable[StepCounts],
    *,
    num_slots: int,
    num_active: int,
    num_replicas: int = 0,
    num_replicas_alive: int = 0,
    num_replica_restarts: int = 0,
) -> EngineStatistics:
    """steps: of each thread or process."""
    steps = list(steps)
    return EngineStatistics(
        num_steps=sum(one.num_steps for one in steps),
        step_seconds=sum(one.step_seconds for one in steps),
        num_slot_steps=sum(one.num_slot_steps for one in steps),
        num_admitted=requests.num_admitted,
        num_finished=requests.num_finished,
        num_cancelled=requests.num_cancelled,
        num_source_pieces=requests.num_source_pieces,
        num_target_pieces=requests.num_target_pieces,
        num_slots=num_slots,
        num_active=num_active,
        num_replicas=num_replicas,
        num_replicas_alive=num_replicas_alive,
        num_replica_restarts=num_replica_restarts,
    )

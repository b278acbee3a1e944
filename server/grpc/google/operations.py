"""Long-running operations: jobs that go on when the call that began them is answered. They live in memory."""

import asyncio
import itertools
import logging
import uuid
from dataclasses import dataclass
from typing import Protocol

import grpc
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.grpc.google.errors import FailedPreconditionError, describe
from dragoman.server.grpc.v1.statuses import UNFORESEEN
from dragoman.server.scheduling.scheduler import QueueFullError

MAX_RUNNING, MAX_KEPT = 16, 1000
"""Jobs that run at once, and operations that are remembered: the oldest that are done are forgotten."""

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
"""Operations of one answer: if nothing is said, and at most."""

RETRY_SECONDS = 30.0
"""When to try again, for whoever finds MAX_RUNNING jobs."""

logger = logging.getLogger(__name__)


class Job(Protocol):
    """What an operation does."""

    def metadata(self) -> Message:
        """How far it is."""

    async def run(self) -> Message:
        """Does it; the operation's response. Its errors become the operation's."""

    def cancel(self) -> None:
        """Called shortly before `run` is cancelled."""

    def close(self) -> None:
        """Called when `run` has ended, or was cancelled before it began."""


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    number: int
    job: Job
    task: "asyncio.Task[Message]"

    def describe(self) -> operations_pb2.Operation:
        operation = operations_pb2.Operation(name=self.name, done=self.task.done(), metadata=_pack(self.job.metadata()))
        if not self.task.done():
            return operation
        if self.task.cancelled():
            code, _ = grpc.StatusCode.CANCELLED.value
            operation.error.CopyFrom(Status(code=code, message="the operation was cancelled"))
        elif error := self.task.exception():
            status, message = describe(error)
            operation.error.CopyFrom(Status(code=status.value[0], message=message))
        else:
            operation.response.CopyFrom(_pack(self.task.result()))
        return operation


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


class Operations:
    """All operations of the server, used on its event loop."""

    def __init__(self) -> None:
        self._operations: dict[str, _Running] = {}
        self._numbers = itertools.count(1)

    def check_room(self) -> None:
        """Raises QueueFullError if no more jobs may run."""
        if sum(not operation.task.done() for operation in self._operations.values()) >= MAX_RUNNING:
            raise QueueFullError(f"{MAX_RUNNING} operations are running: try again later", RETRY_SECONDS)

    def start(self, parent: str, job: Job) -> operations_pb2.Operation:
        """Begins a job; its operation is called "PARENT/operations/…". Raises QueueFullError, and the job is closed."""
        try:
            self.check_room()
        except QueueFullError:
            job.close()
            raise
        done = [name for name, operation in self._operations.items() if operation.task.done()]
        for name in done[: max(0, len(self._operations) + 1 - MAX_KEPT)]:
            del self._operations[name]
        name = f"{parent}/operations/{uuid.uuid4().hex}"
        operation = _Running(name, next(self._numbers), job, asyncio.ensure_future(_run(name, job)))
        operation.task.add_done_callback(lambda _: job.close())
        self._operations[name] = operation
        return operation.describe()

    def cancel_all(self) -> None:
        """Cancels what is running."""
        for operation in self._operations.values():
            _cancel(operation)

    async def close(self) -> None:
        """Cancels what is running, and waits until it has ended."""
        self.cancel_all()
        await asyncio.gather(*(operation.task for operation in self._operations.values()), return_exceptions=True)

    def get(self, name: str) -> operations_pb2.Operation:
        """Raises NotFoundError."""
        return self._find(name).describe()

    async def wait(self, name: str, timeout: float | None) -> operations_pb2.Operation:
        """As it is when it is done, or after so many seconds. Raises NotFoundError."""
        operation = self._find(name)
        await asyncio.wait((operation.task,), timeout=timeout)
        return operation.describe()

    def cancel(self, name: str) -> None:
        """Has no effect on what is done. Raises NotFoundError."""
        _cancel(self._find(name))

    def delete(self, name: str) -> None:
        """Forgets an operation. Raises NotFoundError, and FailedPreconditionError while it runs."""
        if not self._find(name).task.done():
            raise FailedPreconditionError(f'name: "{name}" is running; cancel it first')
        del self._operations[name]

    def list(self, parent: str, page_size: int, page_token: str) -> tuple[list[operations_pb2.Operation], str]:
        """Those of "projects/P/locations/L", or of a whole project, in the order in which they began, and the token of
        the next page, empty if there is none. Raises InvalidInputError."""
        if page_size < 0:
            raise InvalidInputError("page_size: is negative")
        try:
            last_number = int(page_token or "0")
        except ValueError as error:  # also for more digits than Python reads
            raise InvalidInputError("page_token: is none that was given here") from error
        prefix = parent.removesuffix("/operations").rstrip("/") + "/"
        fitting = [
            operation
            for operation in self._operations.values()
            if operation.name.startswith(prefix) and operation.number > last_number
        ]
        page = fitting[: min(page_size or PAGE_SIZE, MAX_PAGE_SIZE)]
        return [operation.describe() for operation in page], str(page[-1].number) if len(page) < len(fitting) else ""

    def _find(self, name: str) -> _Running:
        operation = self._operations.get(name)
        if operation is None:
            raise NotFoundError(f'name: there is no operation "{name}"')
        return operation


async def _run(name: str, job: Job) -> Message:
    try:
        return await job.run()
    except Exception as error:
        if describe(error)[1] == UNFORESEEN:
            logger.error("operation %s failed", name.rpartition("/")[2], exc_info=error)
        raise


def _cancel(operation: _Running) -> None:
    if not operation.task.done():
        operation.job.cancel()
        operation.task.cancel()

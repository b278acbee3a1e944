"""Long-running operations: jobs that continue after the call that started them."""

import asyncio
import base64
import json
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import grpc
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import write_atomically
from dragoman.server.grpc.google.api import FailedPreconditionError, describe
from dragoman.server.scheduling.scheduler import QueueFullError
from dragoman.server.translating.faults import UNFORESEEN

MAX_RUNNING, MAX_RUNNING_OF_OWNER, MAX_KEPT = 16, 8, 1000
"""Limits of concurrent jobs, in all and by owner, and of operations in memory: the oldest finished ones are
forgotten."""

_SUFFIX = ".operation"
"""Extension of the operations' files."""

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
"""Default and maximal number of operations of a page."""

RETRY_SECONDS = 30.0
"""Pause after which a caller refused by these limits may retry."""

logger = logging.getLogger(__name__)


class Job(Protocol):
    """The job of an operation."""

    def metadata(self) -> Message:
        """Its progress."""

    async def run(self) -> Message:
        """Run the job. Returns the operation's response; errors become the operation's."""

    def cancel(self) -> None:
        """Called shortly before `run` is cancelled."""

    def close(self) -> None:
        """Called when `run` has ended, or was cancelled before it began."""


@dataclass(slots=True, eq=False)
class _Operation:
    """message: as of the operation's start or end. owner: identity of the caller. number: in order of starts. job: None
    after its end."""

    message: operations_pb2.Operation
    owner: str
    number: int
    job: Job | None = None
    task: "asyncio.Task[Message] | None" = None

    @property
    def name(self) -> str:
        return str(self.message.name)

    def describe(self) -> operations_pb2.Operation:
        if self.job is not None:
            self.message.metadata.CopyFrom(_pack(self.job.metadata()))
        return self.message

    def end(self) -> None:
        """Store the job's result or error."""
        assert self.job is not None
        assert self.task is not None
        self.job.close()
        if self.task.cancelled():
            self._fail(grpc.StatusCode.CANCELLED, "the operation was cancelled")
        elif error := self.task.exception():
            self._fail(*describe(error))
        else:
            self.message.response.CopyFrom(_pack(self.task.result()))
        self.message.done = True
        self.describe()
        self.job = self.task = None

    def encode(self) -> str:
        """The operation as a line of JSON."""
        encoded = base64.b64encode(self.message.SerializeToString()).decode()
        return json.dumps({"owner": self.owner, "number": self.number, "operation": encoded})

    def interrupt(self) -> None:
        """Fail an operation that was running when the server ended."""
        self._fail(grpc.StatusCode.ABORTED, "the server was restarted while the operation ran: begin it again")
        self.message.done = True

    def _fail(self, code: grpc.StatusCode, message: str) -> None:
        self.message.error.CopyFrom(Status(code=code.value[0], message=message))


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


class _Folder:
    """Keeps operations over a restart, each in its own file; the folder is for one server alone."""

    def __init__(self, path: Path) -> None:
        """Raises DragomanError if the folder cannot be created."""
        self._path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DragomanError(f"server.google_operations: {path}: {error.strerror}") from error

    def load(self) -> list[_Operation]:
        """The stored operations in order of their starts; those that were running have failed."""
        found = []
        for path in self._path.glob(f"*{_SUFFIX}"):
            try:
                fields = json.loads(path.read_text())
                message = operations_pb2.Operation.FromString(base64.b64decode(fields["operation"]))
                operation = _Operation(message, str(fields["owner"]), int(fields["number"]))
            except (OSError, ValueError, KeyError, TypeError, DecodeError) as error:
                logger.error("%s: is left out, it holds no operation: %s", path, error)
                continue
            if not message.done:
                operation.interrupt()
                self.save(operation)
            found.append(operation)
        return sorted(found, key=lambda operation: operation.number)

    def save(self, operation: _Operation) -> None:
        """Store an operation. A failure is logged, and the operation continues."""
        self.write(operation, operation.encode())

    def write(self, operation: _Operation, content: str) -> None:
        """See `save`. content: from the operation's `encode`."""
        try:
            write_atomically(self._find(operation), content)
        except DragomanError as error:
            logger.error("an operation will be forgotten when the server ends: %s", error)

    def remove(self, operation: _Operation) -> None:
        """Delete the operation's file."""
        with suppress(OSError):
            self._find(operation).unlink()

    def _find(self, operation: _Operation) -> Path:
        return self._path / f"{operation.name.rpartition('/')[2]}{_SUFFIX}"


class Operations:
    """All operations of the server, for its event loop. Callers see only their own.

    owner: a caller's identity; callers without one share their operations.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """folder: keeps operations over a restart; None forgets them. Raises DragomanError if it cannot be used."""
        self._folder = None if folder is None else _Folder(folder)
        found = [] if self._folder is None else self._folder.load()
        self._operations = {operation.name: operation for operation in found}
        self._last_number = found[-1].number if found else 0
        self._writing = asyncio.Lock()  # one after the other, in order
        self._writes: set[asyncio.Task[None]] = set()

    def check_room(self, owner: str) -> None:
        """Raise QueueFullError if no more jobs may run, in all or of this owner."""
        running = [operation for operation in self._operations.values() if operation.job is not None]
        if len(running) >= MAX_RUNNING:
            raise QueueFullError(f"{MAX_RUNNING} operations are running: try again later", RETRY_SECONDS)
        if owner and sum(operation.owner == owner for operation in running) >= MAX_RUNNING_OF_OWNER:
            raise QueueFullError(f"{MAX_RUNNING_OF_OWNER} of yours are running: try again later", RETRY_SECONDS)

    def start(self, parent: str, owner: str, job: Job) -> operations_pb2.Operation:
        """Start a job; its operation is named "PARENT/operations/…". Raises QueueFullError and then closes the job."""
        try:
            self.check_room(owner)
        except QueueFullError:
            job.close()
            raise
        done = [operation for operation in self._operations.values() if operation.job is None]
        for operation in done[: max(0, len(self._operations) + 1 - MAX_KEPT)]:
            self._forget(operation)
        name = f"{parent}/operations/{uuid.uuid4().hex}"
        self._last_number += 1
        operation = _Operation(operations_pb2.Operation(name=name), owner, self._last_number, job)
        operation.task = asyncio.ensure_future(_run(name, job))
        operation.task.add_done_callback(lambda _: self._end(operation))
        self._operations[name] = operation
        operation.describe()
        self._save(operation)
        return operation.message

    def cancel_all(self) -> None:
        """Cancel all running operations."""
        for operation in self._operations.values():
            _cancel(operation)

    async def close(self) -> None:
        """Cancel all running operations and wait until they have ended."""
        self.cancel_all()
        tasks = [operation.task for operation in self._operations.values() if operation.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._writes)

    def get(self, name: str, owner: str) -> operations_pb2.Operation:
        """An operation. Raises NotFoundError."""
        return self._find(name, owner).describe()

    async def wait(self, name: str, owner: str, timeout: float | None) -> operations_pb2.Operation:
        """Wait until an operation is done, at most `timeout` seconds, and return it. Raises NotFoundError."""
        operation = self._find(name, owner)
        if operation.task is not None:
            await asyncio.wait((operation.task,), timeout=timeout)
        return operation.describe()

    def cancel(self, name: str, owner: str) -> None:
        """Cancel an operation; no effect if it is done. Raises NotFoundError."""
        _cancel(self._find(name, owner))

    def delete(self, name: str, owner: str) -> None:
        """Delete an operation. Raises NotFoundError, and FailedPreconditionError while it runs."""
        operation = self._find(name, owner)
        if operation.job is not None:
            raise FailedPreconditionError(f'name: "{name}" is running; cancel it first')
        self._forget(operation)

    def list(
        self, parent: str, owner: str, page_size: int, page_token: str
    ) -> tuple[list[operations_pb2.Operation], str]:
        """A page of the operations of "projects/P/locations/L", or of a project, in order of their starts, and the
        token of the next page, empty on the last one. Raises InvalidInputError."""
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
            if operation.owner == owner and operation.name.startswith(prefix) and operation.number > last_number
        ]
        page = fitting[: min(page_size or PAGE_SIZE, MAX_PAGE_SIZE)]
        return [operation.describe() for operation in page], str(page[-1].number) if len(page) < len(fitting) else ""

    def _find(self, name: str, owner: str) -> _Operation:
        operation = self._operations.get(name)
        if operation is None or operation.owner != owner:  # other callers must not learn that it exists
            raise NotFoundError(f'name: there is no operation "{name}"')
        return operation

    def _end(self, operation: _Operation) -> None:
        operation.end()
        self._save(operation)

    def _save(self, operation: _Operation) -> None:
        if self._folder is not None:
            self._write(partial(self._folder.write, operation, operation.encode()))

    def _forget(self, operation: _Operation) -> None:
        del self._operations[operation.name]
        if self._folder is not None:
            self._write(partial(self._folder.remove, operation))

    def _write(self, function: Callable[[], None]) -> None:
        async def run() -> None:
            async with self._writing:
                await asyncio.to_thread(function)

        task = asyncio.ensure_future(run())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


async def _run(name: str, job: Job) -> Message:
    try:
        return await job.run()
    except Exception as error:
        if describe(error)[1] == UNFORESEEN:
            logger.error("operation %s failed", name.rpartition("/")[2], exc_info=error)
        raise


def _cancel(operation: _Operation) -> None:
    if operation.job is not None and operation.task is not None:
        operation.job.cancel()
        operation.task.cancel()

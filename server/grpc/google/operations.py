"""Long-running operations: jobs that go on when the call that began them is answered."""

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
from dragoman.server.grpc.statuses import UNFORESEEN
from dragoman.server.scheduling.scheduler import QueueFullError

MAX_RUNNING, MAX_RUNNING_OF_OWNER, MAX_KEPT = 16, 8, 1000
"""Jobs that run at once, in all and of one owner, and operations that are remembered: the oldest that are done are
forgotten."""

_SUFFIX = ".operation"
"""Of the files that keep operations."""

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
"""Operations of one answer: if nothing is said, and at most."""

RETRY_SECONDS = 30.0
"""After which a caller who finds MAX_RUNNING jobs may try again."""

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


@dataclass(slots=True, eq=False)
class _Operation:
    """message: as it was when the operation began or ended. owner: the identity of the caller who began it. number: of
    the order in which operations began. job: None once it has ended."""

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
        """Notes what became of the job."""
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
        """As a line of JSON."""
        encoded = base64.b64encode(self.message.SerializeToString()).decode()
        return json.dumps({"owner": self.owner, "number": self.number, "operation": encoded})

    def interrupt(self) -> None:
        """The server ended while the job ran."""
        self._fail(grpc.StatusCode.ABORTED, "the server was restarted while the operation ran: begin it again")
        self.message.done = True

    def _fail(self, code: grpc.StatusCode, message: str) -> None:
        self.message.error.CopyFrom(Status(code=code.value[0], message=message))


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


class _Folder:
    """Keeps operations over a restart, each in a file of its own; a folder is for one server alone."""

    def __init__(self, path: Path) -> None:
        """Raises DragomanError if it cannot be made."""
        self._path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DragomanError(f"server.google_operations: {path}: {error.strerror}") from error

    def load(self) -> list[_Operation]:
        """In the order in which they began; those that were running have failed."""
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
        """Logs what goes wrong: the operation itself goes on."""
        self.write(operation, operation.encode())

    def write(self, operation: _Operation, content: str) -> None:
        """See `save`; content: what `encode` made of the operation."""
        try:
            write_atomically(self._find(operation), content)
        except DragomanError as error:
            logger.error("an operation will be forgotten when the server ends: %s", error)

    def remove(self, operation: _Operation) -> None:
        """Forgets it."""
        with suppress(OSError):
            self._find(operation).unlink()

    def _find(self, operation: _Operation) -> Path:
        return self._path / f"{operation.name.rpartition('/')[2]}{_SUFFIX}"


class Operations:
    """All operations of the server, used on its event loop. Callers see those that they began themselves.

    owner: a caller's identity; callers without one share what they began.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """folder: where operations are kept; without one they are forgotten when the server ends. Raises DragomanError
        if it cannot be used."""
        self._folder = None if folder is None else _Folder(folder)
        found = [] if self._folder is None else self._folder.load()
        self._operations = {operation.name: operation for operation in found}
        self._last_number = found[-1].number if found else 0
        self._writing = asyncio.Lock()  # one after the other, in order
        self._writes: set[asyncio.Task[None]] = set()

    def check_room(self, owner: str) -> None:
        """Raises QueueFullError if no more jobs may run: in all, or of one owner, who must leave room for others."""
        running = [operation for operation in self._operations.values() if operation.job is not None]
        if len(running) >= MAX_RUNNING:
            raise QueueFullError(f"{MAX_RUNNING} operations are running: try again later", RETRY_SECONDS)
        if owner and sum(operation.owner == owner for operation in running) >= MAX_RUNNING_OF_OWNER:
            raise QueueFullError(f"{MAX_RUNNING_OF_OWNER} of yours are running: try again later", RETRY_SECONDS)

    def start(self, parent: str, owner: str, job: Job) -> operations_pb2.Operation:
        """Begins a job; its operation is called "PARENT/operations/…". Raises QueueFullError, and the job is closed."""
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
        """Cancels what is running."""
        for operation in self._operations.values():
            _cancel(operation)

    async def close(self) -> None:
        """Cancels what is running, and waits until it has ended."""
        self.cancel_all()
        tasks = [operation.task for operation in self._operations.values() if operation.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._writes)

    def get(self, name: str, owner: str) -> operations_pb2.Operation:
        """Raises NotFoundError."""
        return self._find(name, owner).describe()

    async def wait(self, name: str, owner: str, timeout: float | None) -> operations_pb2.Operation:
        """As it is when it is done, or after `timeout` seconds. Raises NotFoundError."""
        operation = self._find(name, owner)
        if operation.task is not None:
            await asyncio.wait((operation.task,), timeout=timeout)
        return operation.describe()

    def cancel(self, name: str, owner: str) -> None:
        """Has no effect on what is done. Raises NotFoundError."""
        _cancel(self._find(name, owner))

    def delete(self, name: str, owner: str) -> None:
        """Forgets an operation. Raises NotFoundError, and FailedPreconditionError while it runs."""
        operation = self._find(name, owner)
        if operation.job is not None:
            raise FailedPreconditionError(f'name: "{name}" is running; cancel it first')
        self._forget(operation)

    def list(
        self, parent: str, owner: str, page_size: int, page_token: str
    ) -> tuple[list[operations_pb2.Operation], str]:
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
            if operation.owner == owner and operation.name.startswith(prefix) and operation.number > last_number
        ]
        page = fitting[: min(page_size or PAGE_SIZE, MAX_PAGE_SIZE)]
        return [operation.describe() for operation in page], str(page[-1].number) if len(page) < len(fitting) else ""

    def _find(self, name: str, owner: str) -> _Operation:
        operation = self._operations.get(name)
        if operation is None or operation.owner != owner:  # others need not know that it is there
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

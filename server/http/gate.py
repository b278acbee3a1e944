"""The gate: identifies every HTTP call, admits or refuses it, makes its context, reports it, and ends it when its
client is gone. It is to HTTP what the guard is to gRPC."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dragoman.server.access.admission import Admission
from dragoman.server.access.quotas import CallerAllowance, QuotaError
from dragoman.server.access.tokens import Token
from dragoman.server.call_context import CallContext, Priority, choose_request_id
from dragoman.server.http.bodies import Body, BodyTooLargeError, read_body
from dragoman.server.telemetry import Monitor
from dragoman.server.translating.faults import UNFORESEEN, Fault, TooLargeError, fault_of

REQUEST_ID = "x-request-id"

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP's status by gRPC's code; 500 for all others."""

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class Dialect(Protocol):
    """What differs between the APIs of a port."""

    name: str
    """First part of the methods' names in log and metrics."""

    has_body_tokens: bool
    """Whether a token may stand in the body."""

    def present(self, request: Request, body: Body | None) -> str:
        """The token that a request presents; empty if there is none. body: None before it is read."""

    def write_fault(self, fault: Fault, status: int) -> Response:
        """The answer to a call that failed. status: see `STATUSES`; 413 for what is too large."""


class UnknownTokenError(Exception):
    """A call without a known token."""


@dataclass(slots=True, eq=False)
class Visit:
    """A call that was admitted.

    request: without its body, which is read. body: its fields.
    """

    request: Request
    body: Body
    call: CallContext
    admission: Admission
    token: Token | None

    def count(self, texts: Sequence[str]) -> None:
        """Count the call's texts. Raises QuotaError if the caller may not send so many characters now."""
        self.admission.quotas.require(self.token, self.call.count(texts))


Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]


class Gate:
    """The way into all APIs of a port. For the event loop alone."""

    def __init__(self, admission: Admission, monitor: Monitor) -> None:
        self.admission = admission
        self.monitor = monitor

    def endpoint(self, dialect: Dialect, name: str, handler: Handler, max_bytes: int) -> "Endpoint":
        """An ASGI application for a method. name: in log and metrics. max_bytes: of a body."""
        return Endpoint(self, dialect, f"{dialect.name}/{name}", handler, max_bytes)


class Endpoint:
    """A method of an API, an ASGI application."""

    def __init__(self, gate: Gate, dialect: Dialect, method: str, handler: Handler, max_bytes: int) -> None:
        self._admission = gate.admission
        self._monitor = gate.monitor
        self._dialect = dialect
        self._method = method
        self._handler = handler
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call."""
        request = Request(scope, receive)
        call = CallContext(
            client=request.client.host if request.client else "unknown",
            request_id=choose_request_id(request.headers.get(REQUEST_ID, "")),
            method=self._method,
        )
        self._monitor.call_started(call, dict(request.headers))
        code, message = "UNKNOWN", ""
        try:
            code, message = await self._serve(request, call, receive, send)
        except (asyncio.CancelledError, _ClientGoneError):
            code = "CANCELLED"
        finally:
            self._monitor.call_ended(call, code, message)

    async def _serve(self, request: Request, call: CallContext, receive: Receive, send: Send) -> tuple[str, str]:
        """Answer a call. Returns its code and message."""
        self._admission.running.enter()
        entered: list[str] = []
        has_begun = False

        async def answer(response: Response) -> None:
            nonlocal has_begun
            response.headers[REQUEST_ID] = call.request_id
            has_begun = True
            await response(request.scope, receive, send)

        try:
            try:
                visit = await self._admit(request, call, entered)
                await answer(await _while_connected(self._handler(visit), receive))
            except Exception as error:
                if isinstance(error, _ClientGoneError | ClientDisconnect):
                    raise _ClientGoneError from error
                if isinstance(error, QuotaError):
                    self._monitor.call_refused(error.reason)
                if isinstance(error, UnknownTokenError):
                    self._monitor.call_refused("unauthenticated")
                fault = _describe(error)
                if fault is None:
                    logger.error("%s failed", self._method, exc_info=error)
                    fault = Fault("INTERNAL", UNFORESEEN, "INTERNAL")
                if not has_begun:
                    await answer(self._write_fault(fault, error))
                return fault.code, fault.message
            return "OK", ""
        finally:
            for client in entered:
                self._admission.quotas.leave(client)
            self._admission.running.leave()

    async def _admit(self, request: Request, call: CallContext, entered: list[str]) -> Visit:
        """Identify the caller and count the call. entered: gets the names under which it is counted."""
        dialect, quotas = self._dialect, self._admission.quotas
        token = self._identify(call, dialect.present(request, None), is_final=not dialect.has_body_tokens)
        quotas.enter(call.client, token)
        entered.append(call.client)
        body = await read_body(request, self._max_bytes)
        if token is None and dialect.has_body_tokens:
            token = self._identify(call, dialect.present(request, body), is_final=True)
            if token is not None:
                quotas.leave(entered.pop())
                quotas.enter(call.client, token)
                entered.append(call.client)
        call.allowance = CallerAllowance(quotas, call.client, token)
        return Visit(request, body, call, self._admission, token)

    def _identify(self, call: CallContext, presented: str, *, is_final: bool) -> Token | None:
        """Name the caller by its token. Raises UnknownTokenError. is_final: whether no other token is to come."""
        if not self._admission.needs_token:
            return None
        token = self._admission.find(presented) if presented else None
        if token is None and (presented or is_final):
            raise UnknownTokenError
        if token is not None:
            call.client = call.identity = token.name
            call.max_priority = token.max_priority
        else:
            call.max_priority = Priority.INTERACTIVE
        return token

    def _write_fault(self, fault: Fault, error: Exception) -> Response:
        status = 413 if isinstance(error, BodyTooLargeError | TooLargeError) else STATUSES.get(fault.code, 500)
        response = self._dialect.write_fault(fault, status)
        if fault.retry_after is not None:
            response.headers["retry-after"] = str(max(1, math.ceil(fault.retry_after)))
        elif fault.code == "UNAVAILABLE":
            response.headers["retry-after"] = "1"
        return response


class _ClientGoneError(Exception):
    """The client has closed its connection."""


async def _while_connected(work: Awaitable[_T], receive: Receive) -> _T:
    """The result of some work, which is cancelled if the client leaves. Raises _ClientGoneError."""

    async def leave() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(leave())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _ClientGoneError
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def _describe(error: Exception) -> Fault | None:
    if isinstance(error, UnknownTokenError):
        return Fault("UNAUTHENTICATED", "a known token is required", "UNAUTHENTICATED")
    if isinstance(error, BodyTooLargeError):
        return Fault("RESOURCE_EXHAUSTED", str(error), "REQUEST_TOO_LARGE")
    return fault_of(error)

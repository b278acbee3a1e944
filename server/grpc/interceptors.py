"""The interceptor: identifies every call, admits or refuses it, makes its context, and reports it."""

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import lru_cache
from typing import Any, TypeAlias

import grpc

from dragoman.model.errors import InvalidInputError
from dragoman.server.access.admission import Admission
from dragoman.server.access.quotas import CallerAllowance, QuotaError, Quotas
from dragoman.server.access.tokens import Token
from dragoman.server.call_context import UNKNOWN_METHOD, CallContext, Priority, choose_request_id
from dragoman.server.config import LimitsConfig
from dragoman.server.grpc.call_metadata import REQUEST_ID, current_call, read_metadata
from dragoman.server.grpc.counting import count_request, note_model
from dragoman.server.grpc.statuses import Context, abort
from dragoman.server.telemetry import Monitor

MAX_HEALTH_BYTES = 1024
"""Maximal size of a health request: anyone may watch services, and the server keeps their names."""

HEALTH_SECONDS = 2.0
"""Time for a health request to arrive. gRPC keeps incomplete messages, so that a caller without a token could fill the
memory with them."""

_OF_GRPC = "/grpc."
"""Prefix of methods whose calls may last as long as their client, such as reflection's and Health.Watch."""

_HEALTH = "/grpc.health.v1.Health/"
_WATCH = f"{_HEALTH}Watch"
_CODES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
FoundHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"

logger = logging.getLogger(__name__)


def make_watch_quotas(limits: LimitsConfig) -> Quotas:
    """Quotas of Health.Watch, which needs no token and never ends by itself."""
    return Quotas(limits.max_health_watches, max(1, limits.max_health_watches // 4))


class Guard(grpc.aio.ServerInterceptor):
    """Intercepts every method of every service.

    Unary methods are served as streams, which are the same on the wire, so that a call is identified, and may be
    refused, before its message is read.
    """

    def __init__(
        self,
        admission: Admission,
        watch_quotas: Quotas,
        monitor: Monitor,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._admission = admission
        self._watch_quotas = watch_quotas
        self._monitor = monitor
        self._sleep = sleep

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[FoundHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """See `grpc.aio.ServerInterceptor`."""
        handler = await continuation(handler_call_details)
        is_watch = handler_call_details.method == _WATCH
        quotas = self._watch_quotas if is_watch else self._admission.quotas
        visit = _Visit(self._admission, quotas, self._monitor, self._sleep, handler_call_details, handler)
        return visit.handler


class _Visit:
    """One call in the interceptor."""

    def __init__(
        self,
        admission: Admission,
        quotas: Quotas,
        monitor: Monitor,
        sleep: Callable[[float], Awaitable[None]],
        details: grpc.HandlerCallDetails,
        method: FoundHandler,
    ) -> None:
        self._admission = admission
        self._quotas = quotas
        self._monitor = monitor
        self._sleep = sleep
        self._path: str = details.method
        self._is_health_check = self._path.startswith(_HEALTH)
        self._metadata = read_metadata(details.invocation_metadata)
        self._behaviour = _find_behaviour(method)
        self._method = method
        self._token: Token | None = None

    @property
    def handler(self) -> Handler:
        """The handler for gRPC to run."""
        method = self._method
        if method is None or self._behaviour is None:
            return grpc.stream_unary_rpc_method_handler(self._run)
        if method.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._run, self._read, method.response_serializer)
        return grpc.stream_unary_rpc_method_handler(self._run, self._read, method.response_serializer)

    async def _run(self, requests: AsyncIterator[Any], context: Context) -> Any:
        begun = time.monotonic()
        remaining: float | None = context.time_remaining()
        deadline = None if remaining is None else begun + remaining
        request_id = choose_request_id(self._metadata.get(REQUEST_ID, ""))
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        is_identified = self._identify()
        identity = self._token.name if self._token is not None else _name_in_certificate(context)
        client = identity or context.peer()
        self._call = call = CallContext(
            client,
            request_id,
            deadline,
            Priority.INTERACTIVE if self._token is None else self._token.max_priority,
            identity,
            CallerAllowance(self._quotas, client, self._token),
            UNKNOWN_METHOD if self._behaviour is None else self._path.removeprefix("/"),
            begun,
        )
        current_call.set(call)
        self._monitor.call_started(call, self._metadata)
        code, message = "UNKNOWN", ""
        try:
            if not is_identified:
                self._monitor.call_refused("unauthenticated")
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, _EXPLANATION)
            response = await self._serve(requests, context, client)
            code, message = _status_of(context)
            return response
        except grpc.aio.AbortError:
            code, message = _status_of(context)
            raise
        except (asyncio.CancelledError, grpc.aio.InternalError) as error:  # the latter: there is nobody to send to
            code = "DEADLINE_EXCEEDED" if is_past(deadline, remaining) else "CANCELLED"
            raise asyncio.CancelledError from error
        finally:
            self._monitor.call_ended(call, code, message)

    def _identify(self) -> bool:
        """Find the token, if one is required. Returns whether the call may go on."""
        if not self._admission.needs_token or self._is_health_check:
            return True
        scheme, _, presented = self._metadata.get("authorization", "").partition(" ")
        self._token = self._admission.find(presented) if scheme.lower() == "bearer" else None
        return self._token is not None

    async def _serve(self, requests: AsyncIterator[Any], context: Context, client: str) -> Any:
        """Run the method, within the caller's quotas."""
        # Health.Check is answered whatever is going on; Health.Watch lasts, so it has a limit of its own.
        is_counted = not self._is_health_check or self._path == _WATCH
        is_lasting = self._path.startswith(_OF_GRPC)
        has_entered = False
        if not is_lasting:
            self._admission.running.enter()
        try:
            if is_counted:
                self._quotas.enter(client, self._token)
                has_entered = True
            return await self._answer(requests, context)
        except Exception as error:
            if isinstance(error, QuotaError):
                self._monitor.call_refused(error.reason)
            await abort(context, error, self._call.method)
        finally:
            if has_entered:
                self._quotas.leave(client)
            if not is_lasting:
                self._admission.running.leave()

    async def _answer(self, requests: AsyncIterator[Any], context: Context) -> Any:
        method, behaviour = self._method, self._behaviour
        if method is None or behaviour is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "there is no such method")
        argument = self._paced(requests) if method.request_streaming else await self._read_one(context)
        if not method.response_streaming:
            response = await behaviour(argument, context)
            note_model(self._call, response)
            return response
        answer = _Answer(context, self._call)
        if not inspect.isasyncgenfunction(behaviour):
            return await behaviour(argument, answer)
        async with aclosing(behaviour(argument, context)) as responses:
            async for response in responses:
                await answer.write(response)
        return None

    async def _read_one(self, context: Context) -> Any:
        """The message of a unary call."""
        before = self._call.num_characters
        request = await (_read_soon(context) if self._is_health_check else context.read())
        if request is grpc.aio.EOF:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call brought no message")
        self._quotas.require(self._token, self._call.num_characters - before)
        return request

    async def _paced(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Read a stream no faster than the caller's rate of characters allows."""
        before, num_calls = self._call.num_characters, 1
        async for request in requests:
            num_characters = self._call.num_characters - before
            before = self._call.num_characters
            while seconds := self._quotas.charge(self._token, num_characters, num_calls):
                await self._sleep(seconds)
            num_calls = 0 if num_characters else num_calls
            yield request

    def _read(self, raw: bytes) -> Any:
        """Deserialize and count a message."""
        assert self._method is not None
        deserialize = self._method.request_deserializer
        if self._is_health_check and len(raw) > MAX_HEALTH_BYTES:
            raise InvalidInputError(f"the request has {len(raw)} bytes, but at most {MAX_HEALTH_BYTES} are allowed")
        try:
            request = raw if deserialize is None else deserialize(raw)
        except Exception as error:
            raise InvalidInputError("the request is not a message of the method's type") from error
        count_request(self._call, request, len(raw))
        return request


class _Answer:
    """The context of a method that writes its responses itself."""

    def __init__(self, context: Context, call: CallContext) -> None:
        self._context = context
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        """See `grpc.aio.ServicerContext`."""
        note_model(self._call, message)
        await self._context.write(message)


_EXPLANATION = 'a known token is required: metadata "authorization" with "Bearer TOKEN"'


async def _read_soon(context: Context) -> Any:
    """The message of an unidentified caller."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            return await context.read()
    except TimeoutError:
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the call's message took too long to arrive")


def is_past(deadline: float | None, total: float | None) -> bool:
    """Whether a call that is cancelled now has probably passed its deadline. A client cancels the call at its deadline,
    and a little early for the server, because gRPC rounds the transmitted timeout up by as much as 1 %.

    deadline: time.monotonic(). total: seconds that the call had when it arrived.
    """
    if deadline is None or total is None:
        return False
    return time.monotonic() >= deadline - 0.01 * total - 0.02


def _find_behaviour(method: FoundHandler) -> Callable[..., Any] | None:
    """The coroutine function, or asynchronous generator, of a method; None for a method that is not implemented, for
    which the generated base class has a plain function."""
    if method is None:
        return None
    if method.request_streaming:
        behaviour: Any = method.stream_stream if method.response_streaming else method.stream_unary
    else:
        behaviour = method.unary_stream if method.response_streaming else method.unary_unary
    return behaviour if _is_asynchronous(behaviour) else None


@lru_cache(256)
def _is_asynchronous(behaviour: Any) -> bool:
    return inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour)


_NAMES = ("peer_uri", "peer_dns", "peer_email", "x509_common_name")
"""gRPC's keys for a certificate's names: the first subject alternative name, or, by RFC 6125 only without any, the
common name."""


def _name_in_certificate(context: Context) -> str:
    """The client's name in its verified certificate; empty without one."""
    found = context.auth_context()
    for kind in _NAMES:
        names = list(found.get(kind, ()))
        if names and names[0]:
            return names[0].decode(errors="replace")
    return ""


def _status_of(context: Context) -> tuple[str, str]:
    code: Any = context.code()  # a number, whatever its type says
    details: Any = context.details()
    if isinstance(details, bytes):
        details = details.decode(errors="replace")
    return _CODES.get(code, "OK") if isinstance(code, int) else getattr(code, "name", "OK"), details or ""

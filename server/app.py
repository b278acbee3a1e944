"""The gRPC server as a process: what it offers, where it listens, how it stops."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from model.errors import DragomanError, InvalidInputError
from server.interfaces import ServedTranslator
from server.pb.dragoman.v1 import translation_pb2, translation_pb2_grpc
from server.service import TranslationService
from server.signals import catch_stop_signal, exit_on_stop_signals
from server.worker import Worker

DEFAULT_LISTEN = "127.0.0.1:50051"
"""Loopback alone: the connection is neither encrypted nor authenticated."""

GRACE_SECONDS = 30.0
"""How long running calls may go on after the server was told to stop."""

FLUSH_SECONDS = 1.0
"""How long answers may travel, once all are computed, if someone still holds a stream open, such as health's Watch."""

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""Largest request and response."""

SERVICE_NAME = translation_pb2.DESCRIPTOR.services_by_name["TranslationService"].full_name


class TranslationServer:
    """TranslationService, health and reflection on one port, with one worker for each translator.

    An asynchronous context manager; leaving it stops the server gracefully.
    """

    def __init__(
        self, translators: Sequence[ServedTranslator], listen: str, *, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """`listen` is HOST:PORT, where port 0 takes a free one.

        Raises InvalidInputError for an address that makes no sense and for two translators of the same name.
        """
        names = [translator.name for translator in translators]
        for name in names:
            if names.count(name) > 1:
                raise InvalidInputError(f'two models are called "{name}"; every served model needs a name of its own')
        self._host, self._port = _parse_address(listen)
        self._listen = listen
        self._translators = tuple(translators)
        self._grace_seconds = grace_seconds
        self._workers: list[Worker] = []
        self._health = health.aio.HealthServicer()
        self.address = ""
        """HOST:PORT with the actual port, once started."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Binds the port and serves. Raises DragomanError if it cannot listen there."""
        self._refuse_unusable_address()
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # or a second server would silently take half of the calls
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ]
        )
        try:
            port = self._server.add_insecure_port(self._listen)
        except RuntimeError as error:
            raise DragomanError(f"cannot listen on {self._listen}") from error
        self.address = f"{self._host}:{port}"
        self._loop = asyncio.get_running_loop()
        self._workers = [
            Worker(translator, on_broken=self._tell_that_an_engine_is_broken) for translator in self._translators
        ]
        self._service = TranslationService(self._workers)
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(self._service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        await self._health.set(SERVICE_NAME, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()

    async def stop(self) -> None:
        """Says NOT_SERVING, takes no new calls, lets the running ones finish within the grace time, and ends."""
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.ensure_future(self._server.stop(self._grace_seconds))
        idle = asyncio.ensure_future(self._service.wait_until_idle())
        await asyncio.wait((stopping, idle), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(min(self._grace_seconds, FLUSH_SECONDS))
        await stopping
        for worker in self._workers:
            await worker.drain()

    def _tell_that_an_engine_is_broken(self) -> None:
        """Turns health to NOT_SERVING, so that whoever watches the server starts it anew; for a worker's thread."""

        def turn() -> None:
            self._turning = asyncio.ensure_future(self._health.enter_graceful_shutdown())  # for good, whatever is set

        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            self._loop.call_soon_threadsafe(turn)

    def _refuse_unusable_address(self) -> None:
        # gRPC would say no more than that it failed, and write its own lines to standard error.
        try:
            address = socket.getaddrinfo(self._host.strip("[]"), self._port, type=socket.SOCK_STREAM)[0]
            with socket.socket(address[0], address[1]) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address[4])
        except OSError as error:
            raise DragomanError(f"cannot listen on {self._listen}: {error.strerror}") from error


def serve(
    translators: Sequence[ServedTranslator],
    listen: str = DEFAULT_LISTEN,
    *,
    grace_seconds: float = GRACE_SECONDS,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once.

    Call `server.signals.exit_on_stop_signals` before the models are loaded, or a signal that comes meanwhile is
    ignored where the process is PID 1.

    `announce` gets one line with the actual address when the server is ready; by default it goes to standard output.
    Call it on the main thread. Raises DragomanError if it cannot listen there.
    """
    exit_on_stop_signals()
    asyncio.run(_serve(translators, listen, grace_seconds, announce or _print_line))


async def _serve(
    translators: Sequence[ServedTranslator], listen: str, grace_seconds: float, announce: Callable[[str], None]
) -> None:
    async with TranslationServer(translators, listen, grace_seconds=grace_seconds) as server:
        names = ", ".join(translator.name for translator in translators)
        stop = catch_stop_signal()
        announce(f"Dragoman serves {names} on {server.address}")
        await stop.wait()


def _print_line(line: str) -> None:
    print(line, flush=True)  # whoever reads it through a pipe waits for it


def _parse_address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InvalidInputError(f'cannot listen on "{listen}": write HOST:PORT, such as {DEFAULT_LISTEN}')
    return host, int(port)

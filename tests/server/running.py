"""Servers for tests: of translators that are at hand, on a free port of the loopback."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dragoman.server.app import TranslationServer
from dragoman.server.catalogue.served import ShelvedModel
from dragoman.server.config import ModelConfig, ServerConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker
from dragoman.server.watching import BundleState

PATIENCE = 30.0
"""Seconds after which a test that waits for something has failed."""


async def trust(worker: Worker) -> None:
    """In place of a model's trial: a test counts what its engine does, and may hold it from the start."""


def make_config(*names: str, **tables: dict[str, Any]) -> ServerConfig:
    """A server of models of these names; tables: what a configuration's file may have beside them."""
    tables = {"memory": {"max_bytes": 0}} | tables  # a test counts what its engine does
    server = {"listen": "127.0.0.1:0", "drain_seconds": PATIENCE, "reload_seconds": 0.0} | tables.pop("server", {})
    return ServerConfig.model_validate(tables | {"server": server, "models": [{"bundle": name} for name in names]})


def make_server(*translators: ServedTranslator, **tables: dict[str, Any]) -> TranslationServer:
    """A server that serves these translators; tables: see `make_config`."""
    by_name = {translator.name: translator for translator in translators}

    def load(model: ModelConfig) -> ServedTranslator:
        return by_name[model.bundle]

    def describe(model: ModelConfig, state: BundleState) -> ShelvedModel:
        return ShelvedModel(model, state, by_name[model.bundle].info, "")

    return TranslationServer(make_config(*by_name, **tables), load=load, try_out=trust, describe=describe)


@contextmanager
def running_server(*translators: ServedTranslator, **tables: dict[str, Any]) -> Iterator[str]:
    """`make_server` on a thread of its own; gives its address."""
    ready = threading.Event()
    address: list[str] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stopped = asyncio.Event()
        async with make_server(*translators, **tables) as server:
            address.append(server.address)
            stop.append((asyncio.get_running_loop(), stopped))
            ready.set()
            await stopped.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield address[0]
    finally:
        loop, stopped = stop[0]
        loop.call_soon_threadsafe(stopped.set)
        thread.join(PATIENCE)
        assert not thread.is_alive()

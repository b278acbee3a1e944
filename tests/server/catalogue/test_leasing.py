"""Leases, and what follows when calls have ended."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from dragoman.server.catalogue import leasing
from dragoman.server.catalogue.leasing import BUSY_LOOKS, Leases
from dragoman.server.catalogue.served import ServedModel
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.worker import Worker
from dragoman.server.watching import BundleState
from tests.server.fakes import FakeTranslator, wait_for


@pytest.fixture
def returned(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    returned = threading.Event()
    monkeypatch.setattr(leasing, "TIDY_SECONDS", 0.0)
    monkeypatch.setattr(leasing, "return_memory", returned.set)
    return returned


@pytest.fixture
def model() -> Iterator[ServedModel]:
    model = ServedModel(ModelConfig(bundle="a"), BundleState("", ()), 0.0, "")
    with Worker(FakeTranslator()) as model.worker:
        yield model


def test_memory_is_returned_after_calls(returned: threading.Event, model: ServedModel) -> None:
    async def main() -> None:
        leases = Leases(1, lambda number: None)
        with leases.hold(model):
            pass
        await wait_for(returned)
        await leases.wait_until_idle()

    asyncio.run(main())


def test_a_server_that_always_has_calls_returns_memory_beside_them(
    returned: threading.Event, model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        leases = Leases(1, lambda number: None)
        looks = 0

        def count() -> None:
            nonlocal looks
            looks += 1
            tidy()

        tidy = leases._tidy
        monkeypatch.setattr(leases, "_tidy", count)
        with leases.hold(model):
            await wait_for(returned)
        assert looks == BUSY_LOOKS

    asyncio.run(main())

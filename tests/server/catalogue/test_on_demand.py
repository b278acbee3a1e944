"""Models that calls load, and that make room for each other."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.catalogue.on_demand import DemandLimits, ModelLoadingError, ModelUnavailableError
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.translating.faults import fault_of
from dragoman.server.watching import BundleState, FileState
from tests.server.catalogue.shelves import Shelf, make_catalogue, models, run, translate
from tests.server.fakes import EN_DE, PATIENCE, FakeTranslator, wait_for

BASE, SIZE = 1000, 100
"""Bytes of the process without models, and of each loaded one."""


class MeasuredShelf(Shelf):
    """Its models take memory from their load until they are closed."""

    most = 0

    def load(self, model: ModelConfig) -> ServedTranslator:
        found = self.bundles[model.bundle]
        if found is not None and found.engine.is_closed:
            self.bundles[model.bundle] = FakeTranslator(model.bundle, found.directions)
        return super().load(model)

    def state_of(self, bundle: str) -> BundleState:
        return replace(super().state_of(bundle), files=(FileState(0, 0, SIZE, 0),))

    def measure(self) -> int:
        loaded = {name for name in self.loaded if (found := self.bundles[name]) and not found.engine.is_closed}
        self.most = max(self.most, len(loaded))
        return BASE + SIZE * len(loaded)


def make_shelf(number: int) -> MeasuredShelf:
    shelf = MeasuredShelf()
    for place in range(number):
        shelf.put(f"m{place:02d}", FakeTranslator(f"m{place:02d}", (EN_DE,)))
    return shelf


def make(shelf: MeasuredShelf, *, room: int, wait: float = PATIENCE, waiting: int = 99, **options: Any) -> Catalogue:
    """A catalogue with memory for `room` models."""
    demand = DemandLimits(BASE + SIZE * room, wait, waiting)
    return make_catalogue(shelf, measure=shelf.measure, demand=demand, **options)


async def call(catalogue: Catalogue, name: str, text: str = "a b") -> str:
    with await catalogue.lease(name, "en", "de") as lease:
        return await translate(lease, text)


def states(catalogue: Catalogue) -> dict[str, str]:
    return {model.info.name: model.state for model in catalogue.descriptions()}


def loaded(catalogue: Catalogue) -> list[str]:
    return [name for name, state in states(catalogue).items() if state == "loaded"]


def test_a_call_loads_its_model_and_no_other() -> None:
    shelf = make_shelf(3)

    async def main() -> None:
        catalogue = make(shelf, room=3)
        assert await catalogue.apply(models("m00", "m01", "m02")) == []
        assert shelf.loaded == []
        assert states(catalogue) == dict.fromkeys(["m00", "m01", "m02"], "unloaded")
        assert catalogue.directions() == catalogue.directions("m01") == {EN_DE}
        assert catalogue.find("m01", "en", "de") is None
        assert await call(catalogue, "m01") == "b a"
        assert await call(catalogue, "m01") == "b a"
        assert shelf.loaded == ["m01"]
        assert states(catalogue) == {"m00": "unloaded", "m01": "loaded", "m02": "unloaded"}
        assert [model.revision for model in catalogue.descriptions()] == ["", "0123456789abcdef", ""]
        assert catalogue.works() == dict.fromkeys(["m00", "m01", "m02"], True)
        await catalogue.close()

    run(main)
    assert [name for name, _ in shelf.loads] == ["m01"]


def test_fifty_models_take_turns_within_the_bound() -> None:
    shelf = make_shelf(50)

    async def main() -> None:
        catalogue = make(shelf, room=8)
        names = list(shelf.bundles)
        await catalogue.apply(models(*names))
        for name in names:
            shelf.now += 1
            assert await call(catalogue, name) == "b a"
            assert await call(catalogue, "m00") == "b a"  # is never the least recently used one
        assert loaded(catalogue) == ["m00", *names[-7:]]
        assert list(states(catalogue)) == names
        await catalogue.close()

    run(main)
    assert shelf.most == 8
    assert shelf.loaded == list(shelf.bundles)  # each once
    evicted = [name for event, name in shelf.events if event == "evicted"]
    assert evicted == [f"m{number:02d}" for number in range(1, 43)]
    assert max(shelf.measured) == BASE + 8 * SIZE


def test_an_unloaded_model_comes_back_with_its_revision_and_card() -> None:
    shelf = make_shelf(2)

    async def main() -> None:
        catalogue = make(shelf, room=1)
        await catalogue.apply(models("m00", "m01"))
        await call(catalogue, "m00")
        await call(catalogue, "m01")
        described = catalogue.describe("m00")
        assert (described.state, described.revision, described.max_source_length) == (
            "unloaded",
            "0123456789abcdef",
            50,
        )
        assert await call(catalogue, "m00") == "b a"
        await catalogue.close()

    run(main)
    assert shelf.loaded == ["m00", "m01", "m00"]
    assert shelf.most == 1


def test_a_call_on_an_evicted_model_finishes_and_the_next_model_waits_for_its_memory() -> None:
    shelf = make_shelf(2)
    old = shelf.bundles["m00"]
    assert old is not None
    old.engine.gate.clear()

    async def main() -> None:
        catalogue = make(shelf, room=1)
        await catalogue.apply(models("m00", "m01"))
        running = asyncio.ensure_future(call(catalogue, "m00", "a b c"))
        await wait_for(old.engine.held)
        second = asyncio.ensure_future(call(catalogue, "m01"))
        while states(catalogue)["m00"] == "loaded":
            await asyncio.sleep(0)
        assert shelf.loaded == ["m00"]
        old.engine.gate.set()
        assert await running == "c b a"
        assert await second == "b a"
        await catalogue.close()

    run(main)
    assert shelf.most == 1


def test_pinned_models_are_loaded_at_the_start_and_stay() -> None:
    shelf = make_shelf(3)

    async def main() -> None:
        catalogue = make(shelf, room=2)
        await catalogue.apply([ModelConfig(bundle="m00", pinned=True), *models("m01", "m02")])
        assert shelf.loaded == ["m00"]
        for name in ("m01", "m02", "m01"):
            shelf.now += 1
            await call(catalogue, name)
        assert loaded(catalogue) == ["m00", "m01"]
        await catalogue.close()

    run(main)
    assert shelf.loaded == ["m00", "m01", "m02", "m01"]


def test_a_model_without_room_beside_pinned_ones_is_refused_by_name(caplog: pytest.LogCaptureFixture) -> None:
    shelf = make_shelf(2)
    shelf.versions["m01"] = 1

    async def main() -> None:
        catalogue = make(shelf, room=0)
        with caplog.at_level(logging.WARNING):
            await catalogue.apply([ModelConfig(bundle="m00", pinned=True), *models("m01")])
        assert "server.max_memory_bytes" in caplog.text
        with pytest.raises(ModelUnavailableError, match=r'^model: there is no memory for "m01"') as caught:
            await call(catalogue, "m01")
        fault = fault_of(caught.value)
        assert fault is not None
        assert (fault.code, fault.reason) == ("UNAVAILABLE", "MODEL_UNAVAILABLE")
        assert await call(catalogue, "m00") == "b a"
        assert catalogue.works() == {"m00": True, "m01": True}
        await catalogue.close()

    run(main)


class HeldShelf(MeasuredShelf):
    """Its loads wait for `go_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.loading, self.go_on = threading.Event(), threading.Event()
        for name in ("m00", "m01"):
            self.put(name, FakeTranslator(name, (EN_DE,)))

    def load(self, model: ModelConfig) -> ServedTranslator:
        self.loading.set()
        assert self.go_on.wait(PATIENCE)
        return super().load(model)


def test_calls_wait_for_one_load_and_one_of_them_may_give_up() -> None:
    shelf = HeldShelf()

    async def main() -> None:
        catalogue = make(shelf, room=2)
        await catalogue.apply(models("m00", "m01"))
        calls = [asyncio.ensure_future(call(catalogue, "m00")) for _ in range(3)]
        await wait_for(shelf.loading)
        assert states(catalogue)["m00"] == "loading"
        calls[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[1]
        shelf.go_on.set()
        assert [await calls[0], await calls[2]] == ["b a", "b a"]
        await asyncio.wait_for(catalogue.wait_until_idle(), PATIENCE)  # no lease is left behind
        await catalogue.close()

    run(main)
    assert shelf.loaded == ["m00"]


def test_a_call_cancelled_in_the_moment_in_which_its_model_is_there_leaves_no_lease() -> None:
    shelf = make_shelf(1)

    async def main() -> None:
        waiting: list[asyncio.Task[str]] = []

        def cancel_now() -> None:
            for one in waiting:
                one.cancel()

        catalogue = make(shelf, room=1, on_change=cancel_now)
        await catalogue.apply(models("m00"))
        waiting.append(asyncio.ensure_future(call(catalogue, "m00")))
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        while not loaded(catalogue):
            await asyncio.sleep(0)
        await asyncio.wait_for(catalogue.wait_until_idle(), PATIENCE)
        await catalogue.close()

    run(main)


def test_a_call_waits_so_long_and_no_longer() -> None:
    shelf = HeldShelf()

    async def main() -> None:
        catalogue = make(shelf, room=2, wait=0.01)
        await catalogue.apply(models("m00", "m01"))
        with pytest.raises(ModelLoadingError, match=r'^model: "m00" was not loaded within 0.01 s: try again') as caught:
            await call(catalogue, "m00")
        fault = fault_of(caught.value)
        assert fault is not None
        assert (fault.code, fault.reason, fault.retry_after) == ("UNAVAILABLE", "MODEL_LOADING", 1.0)
        shelf.go_on.set()
        while states(catalogue)["m00"] != "loaded":  # the load goes on
            await asyncio.sleep(0)
        assert await call(catalogue, "m00") == "b a"
        await catalogue.close()

    run(main)
    assert shelf.loaded == ["m00"]


def test_without_waiting_the_first_call_is_refused_and_begins_the_load() -> None:
    shelf = make_shelf(1)

    async def main() -> None:
        catalogue = make(shelf, room=1, wait=0.0)
        await catalogue.apply(models("m00"))
        with pytest.raises(ModelLoadingError, match='"m00" is being loaded'):
            await call(catalogue, "m00")
        while not loaded(catalogue):
            await asyncio.sleep(0)
        assert await call(catalogue, "m00") == "b a"
        await catalogue.close()

    run(main)


def test_only_so_many_calls_wait_for_models() -> None:
    shelf = HeldShelf()

    async def main() -> None:
        catalogue = make(shelf, room=2, waiting=2)
        await catalogue.apply(models("m00", "m01"))
        calls = [asyncio.ensure_future(call(catalogue, "m00")) for _ in range(2)]
        await wait_for(shelf.loading)
        with pytest.raises(ModelLoadingError, match="2 calls wait for models"):
            await call(catalogue, "m01")
        shelf.go_on.set()
        assert await asyncio.gather(*calls) == ["b a", "b a"]
        assert await call(catalogue, "m01") == "b a"
        await catalogue.close()

    run(main)


def test_a_model_that_cannot_be_loaded_fails_by_itself_and_is_tried_again() -> None:
    shelf = make_shelf(2)
    good = shelf.bundles["m00"]

    async def main() -> None:
        changes: list[dict[str, bool]] = []
        catalogue: Catalogue = make(shelf, room=2, on_change=lambda: changes.append(catalogue.works()))
        await catalogue.apply(models("m00", "m01"))
        shelf.bundles["m00"] = None  # its files' states are as before
        for _ in range(2):
            with pytest.raises(ModelUnavailableError, match=r'^model: "m00" cannot be loaded at the moment'):
                await call(catalogue, "m00")
        assert shelf.loaded == ["m00"]  # the second call came too soon for another attempt
        assert changes[-1] == {"m00": False, "m01": True}
        assert states(catalogue) == {"m00": "failed", "m01": "unloaded"}
        assert await call(catalogue, "m01") == "b a"
        shelf.bundles["m00"] = good
        shelf.now += 1
        assert await catalogue.apply(models("m00", "m01")) == []
        while states(catalogue)["m00"] != "loaded":
            await asyncio.sleep(0)
        assert changes[-1] == {"m00": True, "m01": True}
        await catalogue.close()

    run(main)
    assert ("failed", "m00") in shelf.events


def test_a_new_version_of_an_unloaded_model_is_not_loaded_before_a_call_asks() -> None:
    shelf = make_shelf(2)

    async def main() -> None:
        catalogue = make(shelf, room=2)
        await catalogue.apply(models("m00", "m01"))
        await call(catalogue, "m01")
        new = {name: shelf.put(name, FakeTranslator(name, (EN_DE,))) for name in ("m00", "m01")}
        assert await catalogue.apply(models("m00", "m01")) == []
        assert shelf.loaded == ["m01", "m01"]  # calls use it, so it is replaced without a gap
        with await catalogue.lease("m00", "en", "de") as lease:
            assert lease.translator is new["m00"]
        await catalogue.close()

    run(main)


def test_a_damaged_new_version_leaves_the_old_description() -> None:
    shelf = make_shelf(1)
    good = shelf.bundles["m00"]

    async def main() -> None:
        catalogue = make(shelf, room=1)
        await catalogue.apply(models("m00"))
        shelf.put("m00", None)
        (error,) = await catalogue.apply(models("m00"))
        assert str(error) == "m00: damaged"
        assert states(catalogue) == {"m00": "unloaded"}
        shelf.put("m00", good)
        assert await catalogue.apply(models("m00"), at_once=True) == []
        assert await call(catalogue, "m00") == "b a"
        await catalogue.close()

    run(main)


def test_a_damaged_bundle_is_an_error_at_the_start() -> None:
    shelf = make_shelf(1)
    shelf.put("m00", None)

    async def main() -> None:
        catalogue = make(shelf, room=1)
        (error,) = await catalogue.apply(models("m00"))
        assert isinstance(error, InvalidInputError)
        await catalogue.close()

    run(main)


def test_two_unloaded_models_of_one_name_are_refused() -> None:
    shelf = make_shelf(1)
    shelf.put("other", FakeTranslator("m00", (EN_DE,)))

    async def main() -> None:
        catalogue = make(shelf, room=1)
        (error,) = await catalogue.apply(models("m00", "other"))
        assert 'two models are called "m00"' in str(error)
        await catalogue.close()

    run(main)


def test_a_model_that_is_no_longer_configured_is_unknown_even_while_it_loads() -> None:
    shelf = HeldShelf()

    async def main() -> None:
        catalogue = make(shelf, room=2)
        await catalogue.apply(models("m00", "m01"))
        waiting = asyncio.ensure_future(call(catalogue, "m00"))
        await wait_for(shelf.loading)
        applying = asyncio.ensure_future(catalogue.apply(models("m01")))
        shelf.go_on.set()
        assert await waiting == "b a"
        assert await applying == []
        assert list(states(catalogue)) == ["m01"]
        with pytest.raises(DragomanError, match='there is no "m00"'):
            await call(catalogue, "m00")
        await catalogue.close()

    run(main)


def test_waiting_calls_end_with_the_server() -> None:
    shelf = HeldShelf()

    async def main() -> None:
        catalogue = make(shelf, room=2)
        await catalogue.apply(models("m00"))
        waiting = asyncio.ensure_future(call(catalogue, "m00"))
        await wait_for(shelf.loading)
        await catalogue.close()
        shelf.go_on.set()
        with pytest.raises(ModelUnavailableError, match="shutting down"):
            await waiting

    run(main)


def test_memory_that_grows_by_itself_unloads_idle_models_at_the_next_look() -> None:
    shelf = make_shelf(3)
    grown = 0

    async def main() -> None:
        nonlocal grown
        demand = DemandLimits(BASE + 3 * SIZE, PATIENCE, 9)
        measure: Callable[[], int] = lambda: shelf.measure() + grown  # noqa: E731
        catalogue = make_catalogue(shelf, measure=measure, demand=demand)
        wanted = models("m00", "m01", "m02")
        await catalogue.apply(wanted)
        for name in ("m02", "m01", "m00"):
            shelf.now += 1
            await call(catalogue, name)
        grown = 2 * SIZE
        with await catalogue.lease("m02", "en", "de"):  # used again, and in use
            await catalogue.apply(wanted)
            assert loaded(catalogue) == ["m02"]
            grown = 3 * SIZE
            await catalogue.apply(wanted)
            assert loaded(catalogue) == ["m02"]
        await catalogue.apply(wanted)
        assert loaded(catalogue) == []
        await catalogue.close()

    run(main)


def test_a_call_without_a_name_finds_unloaded_models() -> None:
    shelf = make_shelf(1)
    shelf.put("french", FakeTranslator("french", (Direction("fr", "de"),)))

    async def main() -> None:
        catalogue = make(shelf, room=1)
        await catalogue.apply(models("m00", "french"))
        with await catalogue.lease(None, "fr", "de") as lease:
            assert lease.translator.name == "french"
        assert catalogue.name_of(None, "en", "de") == "m00"
        await catalogue.close()

    run(main)
    assert shelf.loaded == ["french"]

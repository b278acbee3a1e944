"""Models that are loaded, replaced and closed while calls run."""

import asyncio
import logging
import threading

import pytest

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.model.errors import DragomanError, NotFoundError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.catalogue.catalogue import Catalogue, ModelLease
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import EngineError, ReplicaLostError, Worker, WorkerClosedError
from tests.server.catalogue.shelves import FR_DE, Shelf, make_catalogue, models, names, run, translate
from tests.server.fakes import DE_EN, EN_DE, PATIENCE, FakeTranslator, wait_for
from tests.server.running import trust


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    for name, directions in (("small", (EN_DE, DE_EN)), ("large", (EN_DE,)), ("french", (FR_DE,))):
        shelf.put(name, FakeTranslator(name, directions))
    return shelf


async def translate_with(lease: ModelLease) -> str:
    prepared = lease.translator.prepare("a b", lease.translator.directions[0], SearchOptions())
    (found,) = await lease.worker.translate([prepared], caller=CallContext("a", "b"), priority=Priority.INTERACTIVE)
    return getattr(found, "text", "")


def only_closed(shelf: Shelf, *expected: FakeTranslator | None) -> bool:
    closed = [translator for translator in shelf.bundles.values() if translator and translator.engine.is_closed]
    return closed == list(expected)


def test_finds_by_name_and_by_languages(shelf: Shelf) -> None:
    async def main() -> None:
        catalogue = make_catalogue(shelf)
        assert await catalogue.apply(models("small", "french")) == []
        with await catalogue.lease(None, None, "en") as lease:
            assert (lease.translator.name, lease.direction) == ("small", DE_EN)
            assert await translate(lease, "a b c") == "c b a"
        with await catalogue.lease("french", None, "de") as model:
            assert model.translator is shelf.bundles["french"]
        assert catalogue.directions() == {EN_DE, DE_EN, FR_DE}
        assert catalogue.works() == {"small": True, "french": True}
        with pytest.raises(NotFoundError, match=r'^model: there is no "huge"; there is small, french$'):
            catalogue.describe("huge")
        await catalogue.close()

    run(main)


def test_nothing_is_loaded_twice(shelf: Shelf) -> None:
    async def main() -> None:
        catalogue = make_catalogue(shelf)
        await catalogue.apply(models("small", "large"))
        await catalogue.apply(models("small", "large"))
        assert shelf.loaded == ["small", "large"]
        await catalogue.close()

    run(main)


def test_models_come_and_go_in_the_order_of_the_configuration(shelf: Shelf) -> None:
    changes = []

    async def main() -> None:
        catalogue = make_catalogue(shelf, on_change=lambda: changes.append(names(catalogue)))
        await catalogue.apply(models("small", "large"))
        await catalogue.apply(models("french", "large"))
        assert names(catalogue) == ["french", "large"]
        await catalogue.apply(models("large", "french"))
        assert names(catalogue) == ["large", "french"]
        await catalogue.close()

    run(main)
    assert changes[-1] == ["large", "french"]
    assert shelf.events == [("loaded", "small"), ("loaded", "large"), ("loaded", "french"), ("unloaded", "small")]


def test_a_running_call_ends_on_the_model_that_it_began_with(shelf: Shelf) -> None:
    old = FakeTranslator("small")
    shelf.put("small", old)
    old.engine.gate.clear()

    async def main() -> None:
        catalogue = make_catalogue(shelf)
        await catalogue.apply(models("small"))
        with await catalogue.lease(None, "en", "de") as lease:
            running = asyncio.ensure_future(translate(lease, "a b c"))
            await wait_for(old.engine.held)
            new = shelf.put("small", FakeTranslator("small"))
            assert await catalogue.apply(models("small")) == []
            with await catalogue.lease(None, "en", "de") as other:
                assert other.translator is new
                assert await translate(other, "d e") == "e d"
            assert not old.engine.is_closed
            old.engine.gate.set()
            assert await running == "c b a"
            assert not old.engine.is_closed
        await catalogue.close()
        assert old.engine.is_closed

    run(main)
    assert shelf.events == [("loaded", "small"), ("replaced", "small"), ("loaded", "small")]


def test_the_old_model_is_closed_as_soon_as_nobody_uses_it(shelf: Shelf) -> None:
    old = shelf.bundles["small"]
    assert old is not None

    async def main() -> None:
        catalogue = make_catalogue(shelf)
        await catalogue.apply(models("small"))
        first, second = await catalogue.lease("small", "en", "de"), await catalogue.lease("small", "en", "de")
        shelf.put("small", FakeTranslator("small"))
        await catalogue.apply(models("small"))
        first.release()
        first.release()
        assert not old.engine.is_closed
        second.release()
        while not old.engine.is_closed:
            await asyncio.sleep(0)
        await catalogue.wait_until_idle()
        await catalogue.close()

    run(main)


def test_only_so_many_replaced_models_keep_their_calls(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    versions = [FakeTranslator("small") for _ in range(4)]

    async def main() -> None:
        catalogue = make_catalogue(shelf, max_retired=2)
        leases = []
        for version in versions:
            shelf.put("small", version)
            await catalogue.apply(models("small"))
            leases.append(await catalogue.lease("small", "en", "de"))
        assert shelf.retired == [1, 2, 2]
        while not versions[0].engine.is_closed:
            await asyncio.sleep(0)
        with pytest.raises(WorkerClosedError):
            await translate_with(leases[0])
        assert await translate_with(leases[1]) == "b a"
        for lease in leases:
            lease.release()
        assert shelf.retired == [1, 2, 2, 1, 0]
        await catalogue.close()

    with caplog.at_level(logging.WARNING, "dragoman.server.catalogue.catalogue"):
        run(main)
    assert all(version.engine.is_closed for version in versions)
    (record,) = caplog.records
    assert "small" in record.getMessage()


def test_a_model_that_takes_too_long_to_load_holds_up_no_other(shelf: Shelf) -> None:
    go_on = threading.Event()
    late = FakeTranslator("large")

    class HangingShelf(Shelf):
        def load(self, model: ModelConfig) -> ServedTranslator:
            if model.bundle == "large":
                self.loaded.append("large")
                go_on.wait(PATIENCE)
                return late
            return super().load(model)

    hanging = HangingShelf(shelf.bundles, shelf.versions)

    async def main() -> None:
        catalogue = make_catalogue(hanging, load_seconds=0.01)
        (error,) = await catalogue.apply(models("large", "small"))
        assert str(error) == "large: was not loaded in 0.01 s"
        assert names(catalogue) == ["small"]
        (error,) = await catalogue.apply(models("large", "small"), at_once=True)
        assert str(error) == "large: an earlier attempt to load it has not ended yet"
        assert hanging.loaded == ["large", "small"]
        go_on.set()
        while not late.engine.is_closed:
            await asyncio.sleep(0)
        late.engine.is_closed = False
        assert await catalogue.apply(models("large", "small"), at_once=True) == []
        await catalogue.close()

    run(main)


def test_loading_is_given_up_when_the_server_ends(shelf: Shelf) -> None:
    loading, go_on = threading.Event(), threading.Event()
    late = FakeTranslator("small")

    def load(model: ModelConfig) -> ServedTranslator:
        loading.set()
        go_on.wait(PATIENCE)
        return late

    async def main() -> None:
        catalogue = Catalogue(load=load, try_out=trust, state_of=shelf.state_of)
        applying = asyncio.ensure_future(catalogue.apply(models("small")))
        assert await asyncio.to_thread(loading.wait, PATIENCE)
        applying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await applying
        await catalogue.close()
        go_on.set()
        while not late.engine.is_closed:
            await asyncio.sleep(0)

    run(main)


@pytest.mark.parametrize("bundle", ["broken", "small"])
def test_a_broken_bundle_replaces_nothing(shelf: Shelf, bundle: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        catalogue = make_catalogue(shelf)
        await catalogue.apply(models("small", "french"))
        shelf.put(bundle, None)
        (error,) = await catalogue.apply(models(bundle, "french"))
        assert str(error) == f"{bundle}: damaged"
        assert sorted(names(catalogue)) == ["french", "small"]
        with await catalogue.lease("small", "en", "de") as lease:
            assert await translate(lease, "a b") == "b a"
        shelf.put(bundle, FakeTranslator("small"))
        assert await catalogue.apply(models(bundle, "french")) == []
        assert names(catalogue) == ["small", "french"]
        await catalogue.close()

    with caplog.at_level(logging.ERROR, "dragoman.server.catalogue.catalogue"):
        run(main)
    assert f"{bundle} cannot be served" in caplog.text
    assert [event[0] for event in shelf.events] == ["loaded", "loaded", "failed", "replaced", "loaded"]


def test_a_model_that_does_not_translate_replaces_nothing(shelf: Shelf) -> None:
    async def try_out(worker: Worker) -> None:
        if worker.translator is shelf.bundles["small"] and shelf.versions["small"] == 2:
            raise DragomanError("its scores are no numbers")

    old = shelf.bundles["small"]

    async def main() -> None:
        catalogue = make_catalogue(shelf, try_out=try_out)
        await catalogue.apply(models("small"))
        new = shelf.put("small", FakeTranslator("small"))
        (error,) = await catalogue.apply(models("small"))
        assert "no numbers" in str(error)
        assert catalogue.workers()[0].translator is old
        await catalogue.close()
        assert new is not None
        assert new.engine.is_closed

    run(main)


def test_what_nobody_foresaw_is_one_line(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    def load(model: ModelConfig) -> ServedTranslator:
        raise MemoryError("out of\nmemory")

    async def main() -> None:
        catalogue = Catalogue(load=load, state_of=shelf.state_of)
        (error,) = await catalogue.apply(models("small"))
        assert str(error) == "small: cannot be loaded: MemoryError: out of memory"

    with caplog.at_level(logging.ERROR, "dragoman.server.catalogue.catalogue"):
        run(main)
    assert "Traceback" in caplog.text


def test_attempts_wait_for_a_while_unless_something_changes(shelf: Shelf) -> None:
    shelf.put("small", None)

    async def main() -> None:
        catalogue = make_catalogue(shelf)
        num_attempts = []
        for _ in range(3):
            assert len(await catalogue.apply(models("small"))) == 1
            num_attempts.append(len(shelf.loaded))
        assert num_attempts == [1, 1, 1]
        assert catalogue.seconds_until_retry() == 1.0
        shelf.now += 1.0
        await catalogue.apply(models("small"))
        assert len(shelf.loaded) == 2
        await catalogue.apply(models("small"), at_once=True)
        assert len(shelf.loaded) == 3
        shelf.put("small", FakeTranslator("small"))
        assert await catalogue.apply(models("small")) == []
        assert catalogue.seconds_until_retry() is None
        await catalogue.close()

    run(main)


def test_going_back_to_what_is_loaded_ends_the_attempts(shelf: Shelf) -> None:
    good = shelf.bundles["small"]

    async def main() -> None:
        catalogue = make_catalogue(shelf)
        await catalogue.apply(models("small"))
        shelf.put("small", None)
        assert len(await catalogue.apply(models("small"))) == 1
        shelf.bundles["small"], shelf.versions["small"] = good, 1
        assert await catalogue.apply(models("small")) == []
        assert catalogue.seconds_until_retry() is None
        assert shelf.loaded == ["small", "small"]
        await catalogue.close()

    run(main)


def test_two_models_of_one_name_are_refused(shelf: Shelf) -> None:
    shelf.put("other", FakeTranslator("small"))

    async def main() -> None:
        catalogue = make_catalogue(shelf)
        await catalogue.apply(models("small"))
        (error,) = await catalogue.apply(models("small", "other"))
        assert 'two models are called "small"' in str(error)
        assert catalogue.workers()[0].translator is shelf.bundles["small"]
        assert only_closed(shelf, shelf.bundles["other"])
        await catalogue.close()

    run(main)


def test_a_name_may_move_to_another_bundle(shelf: Shelf) -> None:
    async def main() -> None:
        catalogue = make_catalogue(shelf)
        await catalogue.apply([ModelConfig(bundle="small", name="main")])
        await catalogue.apply([ModelConfig(bundle="large", name="main")])
        assert [worker.translator for worker in catalogue.workers()] == [shelf.bundles["large"]]
        await catalogue.close()

    run(main)


def break_engine(translator: FakeTranslator | None) -> None:
    assert translator is not None
    translator.engine.is_broken = True


async def meet_the_break(catalogue: Catalogue, model: str) -> None:
    with await catalogue.lease(model, "en", "de") as lease, pytest.raises(EngineError):
        await translate(lease, "a")
    while catalogue.works()[model] or catalogue.seconds_until_retry() is None:
        await asyncio.sleep(0)


def test_a_model_that_breaks_is_loaded_anew(shelf: Shelf) -> None:
    break_engine(shelf.bundles["small"])
    broken = shelf.bundles["small"]
    changes: list[dict[str, bool]] = []

    async def main() -> None:
        catalogue = make_catalogue(shelf, on_change=lambda: changes.append(catalogue.works()))
        await catalogue.apply(models("small", "large"))
        await meet_the_break(catalogue, "small")
        assert changes[-1] == {"small": False, "large": True}
        assert catalogue.seconds_until_retry() == 0.0  # the first time at once
        shelf.bundles["small"] = FakeTranslator("small")
        assert await catalogue.apply(models("small", "large")) == []
        assert broken is not None
        assert broken.engine.is_closed
        assert changes[-1] == {"small": True, "large": True}
        assert shelf.loaded == ["small", "large", "small"]
        with await catalogue.lease("small", "en", "de") as lease:
            assert await translate(lease, "a b") == "b a"
        await catalogue.close()

    run(main)


def test_a_model_that_breaks_again_and_again_is_left_longer_each_time(shelf: Shelf) -> None:
    async def main() -> None:
        catalogue = make_catalogue(shelf)
        pauses: list[float | None] = []
        for _ in range(4):
            shelf.bundles["small"] = FakeTranslator("small")
            break_engine(shelf.bundles["small"])
            await catalogue.apply(models("small"))
            await meet_the_break(catalogue, "small")
            pauses.append(catalogue.seconds_until_retry())
            shelf.now += pauses[-1] or 0.0
        assert pauses == [0.0, 1.0, 2.0, 4.0]
        shelf.bundles["small"] = FakeTranslator("small")
        await catalogue.apply(models("small"))
        break_engine(shelf.bundles["small"])
        shelf.now += 300.0  # it lasted
        await meet_the_break(catalogue, "small")
        assert catalogue.seconds_until_retry() == 0.0
        await catalogue.close()

    run(main)


def test_a_model_that_has_lost_its_processes_does_not_work(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = shelf.bundles["small"]
    assert translator is not None
    changes: list[dict[str, bool]] = []

    def set_living(number: int) -> None:
        statistics = EngineStatistics(num_replicas=2, num_replicas_alive=number)
        monkeypatch.setattr(translator.engine, "statistics", lambda: statistics)

    async def main() -> None:
        catalogue = make_catalogue(shelf, on_change=lambda: changes.append(catalogue.works()))
        for number in (2, 1, 0, 0, 2):
            set_living(number)
            await catalogue.apply(models("small"))
        await catalogue.close()

    run(main)
    assert changes == [{"small": True}, {"small": False}, {"small": True}]


def test_loading_leaves_the_event_loop_free(shelf: Shelf) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def load(model: ModelConfig) -> ServedTranslator:
        begun.set()
        assert go_on.wait(PATIENCE)
        return shelf.load(model)

    async def main() -> None:
        catalogue = Catalogue(load=load, try_out=trust, state_of=shelf.state_of)
        applying = asyncio.ensure_future(catalogue.apply(models("small")))
        await wait_for(begun)
        assert not applying.done()
        go_on.set()
        assert await applying == []
        await catalogue.close()

    run(main)


def test_a_model_whose_engine_is_stuck_is_loaded_anew(shelf: Shelf) -> None:
    stuck = shelf.bundles["small"]
    assert stuck is not None
    stuck.engine.gate.clear()
    (config,) = models("small")
    wanted = [config.model_copy(update={"stall_seconds": 1.0})]
    changed = asyncio.Event()

    async def main() -> None:
        catalogue = make_catalogue(shelf, on_change=changed.set)
        await catalogue.apply(wanted)
        changed.clear()
        with await catalogue.lease("small", "en", "de") as lease, pytest.raises(ReplicaLostError, match="is stuck"):
            await translate(lease, "a b")
        await changed.wait()
        assert catalogue.works() == {"small": False}
        shelf.bundles["small"] = FakeTranslator("small")
        assert await catalogue.apply(wanted, at_once=True) == []  # it does not wait for the stuck thread
        assert catalogue.works() == {"small": True}
        with await catalogue.lease("small", "en", "de") as lease:
            assert await translate(lease, "a b") == ""  # it is quarantined
            assert await translate(lease, "c d e") == "e d c"
        await catalogue.close()

    run(main)
    stuck.engine.gate.set()

"""What becomes of requests on the engine's thread: who shares it, who leaves it, and what its failures cost."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.engines.trimming import QUIET_SECONDS
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import NotFoundError, StalledError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling import engine_loop
from dragoman.server.scheduling.engine_loop import NUM_LOOKS, SLOTS_SECONDS
from dragoman.server.scheduling.worker import DeadlineError, EngineError, ReplicaLostError, Worker
from dragoman.translation.drafts import PreparedText
from dragoman.translation.translator import Translator
from tests.model.decoding.engines.engines import decoder_of
from tests.server.fakes import DE_EN, EN_DE, FakeTranslator, reverse_words, wait_for
from tests.server.scheduling.workers import ANYBODY, Clock, Recorder, run, start, texts_of, translate


@pytest.fixture
def translator() -> FakeTranslator:
    return FakeTranslator(num_slots=3)


@pytest.fixture
def worker(translator: FakeTranslator) -> Iterator[Worker]:
    with Worker(translator) as worker:
        yield worker
        translator.engine.gate.set()


@pytest.fixture
def silent_log() -> Iterator[None]:
    """For tests whose engine fails, so that a failure's report is short."""
    log = logging.getLogger("dragoman.server.scheduling.engine_loop")
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(logging.NOTSET)


def test_cancelling_withdraws_all_segments_that_are_left(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = translator.engine
    admit = engine.admit
    fourth_came = threading.Event()

    def observed(requests: Sequence[Request]) -> None:
        admit(requests)
        if 3 in engine.admitted:
            fourth_came.set()

    monkeypatch.setattr(engine, "admit", observed)

    async def main() -> None:
        doomed = start(worker, "a | forever | forever | forever | waits")
        other = start(worker, "x y")
        await wait_for(fourth_came)  # in the place of the first, which is found
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        assert texts_of(await other) == ["y x"]

    run(main)
    worker.close()
    assert sorted(engine.admitted) == [0, 1, 2, 3, 5]
    assert sorted(engine.cancelled) == [1, 2, 3]
    assert engine.num_active == 0


def test_a_refused_segment_fails_its_text_and_withdraws_the_others(worker: Worker, translator: FakeTranslator) -> None:
    engine = translator.engine

    async def main() -> None:
        assert texts_of(await translate(worker, "forever | refused | waits", "c d")) == [
            "the engine refuses this text",
            "d c",
        ]
        assert texts_of(await translate(worker, "a b")) == ["b a"]

    run(main)
    worker.close()
    assert engine.num_active == 0


def test_what_has_no_room_waits_until_there_is_some(worker: Worker, translator: FakeTranslator) -> None:
    translator.engine.max_positions = 5

    async def main() -> None:
        sources = ["a b c", "d e", "f g h i", "j"]  # the last would fit beside the second, but nobody is overtaken
        assert texts_of(await translate(worker, *sources)) == [reverse_words(s) for s in sources]

    run(main)
    assert translator.engine.together == [{0, 1}, {0, 1}, {0}, {2, 3}, {2}, {2}, {2}]


def test_what_never_has_room_is_refused_and_holds_up_nobody(worker: Worker, translator: FakeTranslator) -> None:
    translator.engine.max_positions = 3

    async def main() -> None:
        translator.engine.gate.clear()
        calls = [start(worker, "a b"), start(worker, "c d e f"), start(worker, "g h")]
        await wait_for(translator.engine.held)
        translator.engine.gate.set()
        assert texts_of(await calls[1]) == ["the engine has no room for this text"]
        assert texts_of(await calls[0] + await calls[2]) == ["b a", "h g"]

    run(main)


def test_concurrent_calls_share_the_engine_in_flight(worker: Worker, translator: FakeTranslator) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        first = start(worker, "a b c d e f")
        await wait_for(engine.held)  # the first call is in the middle of a step
        second = start(worker, "g h")
        await asyncio.sleep(0)  # lets the second call reach the queue
        engine.gate.set()
        assert texts_of(await second) == ["h g"]
        assert texts_of(await first) == ["f e d c b a"]

    run(main)
    assert engine.together[0] == {0}
    assert engine.together[1] == {0, 1}
    assert engine.num_steps == 6


def test_more_requests_than_slots_enter_as_slots_become_free(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        await translate(worker, "a", "a b c", "a b c", "a b")

    run(main)
    assert translator.engine.together == [{0, 1, 2}, {1, 2, 3}, {1, 2, 3}]


def test_cancelling_frees_the_slots_before_the_next_step(worker: Worker, translator: FakeTranslator) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        doomed = start(worker, "a b c d", "a b c d", "a b c d", "waits", "waits too")
        await wait_for(engine.held)
        other = start(worker, "x y")
        await asyncio.sleep(0)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        engine.gate.set()
        assert texts_of(await other) == ["y x"]

    run(main)
    assert engine.admitted == [0, 1, 2, 5]
    assert engine.cancelled == [0, 1, 2]
    assert engine.together[0] == {0, 1, 2}  # the step that ran when they were cancelled
    assert engine.together[-2:] == [{5}, {5}]
    assert engine.num_active == 0


def test_a_cancelled_caller_leaves_an_empty_engine(worker: Worker, translator: FakeTranslator) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        doomed = start(worker, "a b c d")
        await wait_for(engine.held)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        engine.gate.set()

    run(main)
    worker.close()
    assert engine.num_active == 0
    assert engine.free_slots == engine.num_slots
    assert engine.num_steps == 1  # the one that ran when it was cancelled


def test_an_engine_error_fails_what_is_in_flight_and_nothing_else(
    worker: Worker, translator: FakeTranslator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = translator.engine
    admit = engine.admit
    all_slots_taken = threading.Event()

    def observed(requests: Sequence[Request]) -> None:
        admit(requests)
        if not engine.free_slots:
            all_slots_taken.set()

    monkeypatch.setattr(engine, "admit", observed)

    async def main() -> None:
        first, second = start(worker, "forever", "forever"), start(worker, "forever")
        await wait_for(all_slots_taken)
        engine.gate.clear()
        await wait_for(engine.held)
        waiting = start(worker, "d e")
        await asyncio.sleep(0)
        engine.errors.append(MemoryError("out of memory"))
        engine.gate.set()
        for call in (first, second):
            with pytest.raises(EngineError, match=r"^the decoding engine failed: MemoryError$"):
                await call
        assert texts_of(await waiting) == ["e d"]
        assert texts_of(await translate(worker, "f g")) == ["g f"]

    with caplog.at_level(logging.ERROR, "dragoman.server.scheduling.engine_loop"):
        run(main)
    assert "out of memory" in caplog.text
    assert engine.num_active == 0


def test_the_engine_is_tried_in_a_direction_that_it_can(silent_log: None, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = FakeTranslator(directions=(DE_EN, EN_DE))
    prepare_any = translator.prepare

    def prepare_into_german(text: str, direction: Direction, options: SearchOptions, **kind: bool) -> PreparedText:
        if direction == DE_EN:
            raise NotFoundError("there is no shortlist for de→en")
        return prepare_any(text, direction, options, **kind)

    monkeypatch.setattr(translator, "prepare", prepare_into_german)

    async def main() -> None:
        with Worker(translator) as one:
            translator.engine.errors.append(MemoryError("out of memory"))
            with pytest.raises(EngineError):
                await start(one, "a")
            assert texts_of(await start(one, "b c")) == ["c b"]

    run(main)


def test_a_text_that_the_engine_refuses_does_not_fail_its_neighbours(
    worker: Worker, translator: FakeTranslator
) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        running = start(worker, "a b c")
        await wait_for(engine.held)
        refused, neighbour = start(worker, "refused"), start(worker, "d e")
        await asyncio.sleep(0)
        engine.gate.set()
        assert texts_of(await refused) == ["the engine refuses this text"]
        assert texts_of(await running + await neighbour) == ["c b a", "e d"]

    run(main)


@pytest.mark.usefixtures("silent_log")
def test_an_engine_that_stays_broken_refuses_everybody(worker: Worker, translator: FakeTranslator) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        calls = [start(worker, "a", "b", "c"), start(worker, "waits")]
        await wait_for(engine.held)
        engine.is_broken = True
        engine.gate.set()
        for call in calls:
            with pytest.raises(EngineError):
                await call
        with pytest.raises(EngineError, match="is being loaded again"):
            await translate(worker, "d")

    run(main)


@pytest.mark.usefixtures("silent_log")
def test_the_real_engine_goes_on_after_an_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = Translator.load(tiny_bundle)
    broken: list[bool] = []

    async def main(worker: Worker) -> None:
        (before,) = await translate(worker, "a b c")
        engine: Any = translator.engine
        decoder: Any = decoder_of(engine)
        search_step = decoder.search_step

        def fail_once(*arguments: Any) -> None:
            monkeypatch.setattr(decoder, "search_step", search_step)
            raise RuntimeError("a kernel failed")

        monkeypatch.setattr(decoder, "search_step", fail_once)
        with pytest.raises(EngineError, match="RuntimeError"):
            await translate(worker, "a b c")
        (after,) = await translate(worker, "a b c")
        assert after == before

    with Worker(translator, on_broken=lambda: broken.append(True)) as worker:
        run(lambda: main(worker))
    assert not broken


@pytest.mark.usefixtures("silent_log")
def test_an_engine_that_leaks_its_slots_is_broken(translator: FakeTranslator) -> None:
    engine = translator.engine
    told = threading.Event()
    engine.cancel = lambda request_id: False  # type: ignore[method-assign]

    async def main(worker: Worker) -> None:
        engine.errors.append(RuntimeError("a kernel failed"))
        with pytest.raises(EngineError):
            await translate(worker, "forever", "forever")
        await wait_for(told)
        with pytest.raises(EngineError, match="is being loaded again"):
            await translate(worker, "d")

    with Worker(translator, on_broken=told.set) as worker:
        run(lambda: main(worker))


def test_an_engine_at_rest_gives_up_memory_once(translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    returned = threading.Event()
    monkeypatch.setattr(engine_loop, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(engine_loop, "return_memory", returned.set)

    async def main(worker: Worker) -> None:
        for number in (1, 2):
            returned.clear()
            translator.engine.num_trims = 0
            await translate(worker, "a b", "c d")
            await wait_for(returned)
            assert translator.engine.num_trims == 1, number

    with Worker(translator) as worker:
        run(lambda: main(worker))


def test_an_engine_that_cannot_give_up_memory_goes_on(
    translator: FakeTranslator, silent_log: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()
    monkeypatch.setattr(engine_loop, "QUIET_SECONDS", 0.01)

    def fail() -> None:
        failed.set()
        raise OSError

    monkeypatch.setattr(engine_loop, "return_memory", fail)

    async def main(worker: Worker) -> None:
        await wait_for(failed)
        assert texts_of(await translate(worker, "a b")) == ["b a"]

    with Worker(translator) as worker:
        run(lambda: main(worker))


def test_an_idle_worker_sleeps(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        await translate(worker, "a b")

    run(main)
    worker.close()
    assert translator.engine.num_steps == 2  # and none while nothing was asked of it


@pytest.mark.usefixtures("silent_log")
def test_an_engine_error_withdraws_what_is_left_of_the_calls_that_it_fails(
    worker: Worker, translator: FakeTranslator
) -> None:
    async def main() -> None:
        translator.engine.errors.append(RuntimeError("a kernel failed"))
        with pytest.raises(EngineError):
            await translate(worker, "a | b | c | waits | waits too")
        assert worker.num_waiting == 0
        assert texts_of(await translate(worker, "d e")) == ["e d"]

    run(main)
    assert not worker.is_broken
    assert len([number for number in translator.engine.admitted if number >= 0]) == 4


def test_what_finishes_together_wakes_the_loop_once(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        translator.engine.gate.clear()
        first = start(worker, "a b c")
        await wait_for(translator.engine.held)
        calls = [first, start(worker, "d e"), start(worker, "f g")]
        await asyncio.sleep(0)
        num_calls = count_wakes(monkeypatch)
        translator.engine.gate.set()
        assert [texts_of(found) for found in await asyncio.gather(*calls)] == [["c b a"], ["e d"], ["g f"]]
        assert len(num_calls) == 1

    run(main)


def count_wakes(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """An entry for each time that a thread wakes the running event loop from now on."""
    loop = asyncio.get_running_loop()
    call_soon_threadsafe = loop.call_soon_threadsafe
    wakes: list[None] = []

    def counted(*arguments: Any) -> asyncio.Handle:
        wakes.append(None)
        return call_soon_threadsafe(*arguments)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    return wakes


# Deadlines.


def with_deadline(deadline: float) -> CallContext:
    return replace(ANYBODY, deadline=deadline)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(translator: FakeTranslator, clock: Clock) -> Iterator[Worker]:
    """A worker whose clock stands still."""
    with Worker(translator, clock=clock) as worker:
        yield worker
        translator.engine.gate.set()


def test_a_call_past_its_deadline_costs_no_further_step(
    timed: Worker, translator: FakeTranslator, clock: Clock
) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        late = start(timed, "forever", "forever | a b", "waits", caller=with_deadline(clock.now + 5))
        await wait_for(engine.held)
        clock.now += 5
        engine.gate.set()
        with pytest.raises(DeadlineError, match="deadline"):
            await late

    run(main)
    timed.close()
    statistics = timed.statistics()
    assert statistics.num_steps == 1  # the one that ran when the time was up
    assert statistics.num_slot_steps == 3
    assert engine.admitted == [0, 1, 2]
    assert engine.cancelled == [0, 1, 2]
    assert (statistics.num_active, timed.num_waiting) == (0, 0)


def test_a_deadline_leaves_other_calls_alone(timed: Worker, translator: FakeTranslator, clock: Clock) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        calls = [
            start(timed, "a b c"),
            start(timed, "forever", caller=with_deadline(clock.now + 1)),
            start(timed, "d e", caller=with_deadline(clock.now + 2)),
        ]
        await wait_for(engine.held)
        clock.now += 1
        engine.gate.set()
        with pytest.raises(DeadlineError):
            await calls[1]
        assert texts_of(await calls[0] + await calls[2]) == ["c b a", "e d"]

    run(main)
    assert engine.cancelled in ([], [1])  # or it was late before it was admitted


def test_what_becomes_late_while_it_is_admitted_costs_no_step(
    timed: Worker, translator: FakeTranslator, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = translator.engine
    admit = engine.admit

    def slow_admit(requests: Sequence[Request]) -> None:
        admit(requests)
        clock.now += 1

    monkeypatch.setattr(engine, "admit", slow_admit)

    async def main() -> None:
        with pytest.raises(DeadlineError):
            await translate(timed, "a", caller=with_deadline(clock.now + 1))

    run(main)
    timed.close()
    assert (engine.num_steps, engine.cancelled) == (0, [0])


def test_every_deadline_has_its_turn(timed: Worker, translator: FakeTranslator, clock: Clock) -> None:
    begun = clock.now

    async def main() -> None:
        late = [start(timed, "forever", caller=with_deadline(begun + number)) for number in (3, 1, 2)]
        for number in (1, 2, 0):
            clock.now += 1
            with pytest.raises(DeadlineError):
                await late[number]
            assert sum(call.done() for call in late) == clock.now - begun

    run(main)
    timed.close()
    assert translator.engine.num_active == 0


def test_a_call_that_is_late_while_it_waits_is_never_admitted(
    timed: Worker, translator: FakeTranslator, clock: Clock
) -> None:
    engine = translator.engine

    async def main() -> None:
        engine.gate.clear()
        busy = start(timed, "a b", "c d", "e f")
        await wait_for(engine.held)
        late = start(timed, "g", "h", caller=with_deadline(clock.now + 1))
        await asyncio.sleep(0)
        clock.now += 2
        engine.gate.set()
        with pytest.raises(DeadlineError):
            await late
        assert texts_of(await busy) == ["b a", "d c", "f e"]

    run(main)
    assert engine.admitted == [0, 1, 2]


def test_a_call_that_comes_late_costs_nothing(timed: Worker, translator: FakeTranslator, clock: Clock) -> None:
    async def main() -> None:
        with pytest.raises(DeadlineError):
            await translate(timed, "a", caller=with_deadline(clock.now))

    run(main)
    timed.close()
    assert (translator.engine.num_steps, translator.engine.admitted) == (0, [])


# Engines whose processes come and go.


def test_an_engine_without_slots_is_asked_now_and_then(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = translator.engine
    engine.num_slots = 0
    pauses: list[float | None] = []
    wait = worker._queue._wake.wait

    def observed(timeout: float | None = None) -> bool:
        if timeout is not None:
            pauses.append(timeout)
            if len(pauses) == 3:
                engine.num_slots = 1
        return wait(timeout)

    monkeypatch.setattr(worker._queue._wake, "wait", observed)

    async def main() -> None:
        assert texts_of(await translate(worker, "a b")) == ["b a"]

    run(main)
    assert [pause for pause in pauses if pause != QUIET_SECONDS] == [SLOTS_SECONDS] * 3
    assert engine.num_steps == 3 + 2


def test_deadlines_and_cancels_hold_without_slots(timed: Worker, translator: FakeTranslator, clock: Clock) -> None:
    translator.engine.num_slots = 0

    async def main() -> None:
        cancelled = start(timed, "a")
        late = start(timed, "b", caller=with_deadline(clock.now + 1))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        clock.now += 1
        with pytest.raises(DeadlineError):
            await late

    run(main)
    timed.close()
    assert timed.num_waiting == 0


def test_a_lost_request_fails_its_call_and_no_other(translator: FakeTranslator) -> None:
    engine = translator.engine
    recorder = Recorder()

    async def main(worker: Worker) -> None:
        engine.gate.clear()
        other = start(worker, "x y z")
        await wait_for(engine.held)
        doomed = start(worker, "lost a | forever", "waits", "waits too")
        await asyncio.sleep(0)
        engine.gate.set()
        with pytest.raises(ReplicaLostError, match="replica 0 ended"):
            await doomed
        assert texts_of(await other) == ["z y x"]

    with Worker(translator, observer=recorder) as worker:
        run(lambda: main(worker))
    assert engine.admitted == [0, 1, 2]
    assert engine.cancelled == [2]
    assert worker.num_waiting == 0
    assert [event for event in recorder.events if event[0] == "dropped"] == [("dropped", "en-de", "lost")] * 4


def test_two_of_a_call_that_are_lost_at_once_fail_it_once(worker: Worker) -> None:
    async def main() -> None:
        with pytest.raises(ReplicaLostError):
            await translate(worker, "lost", "lost", "a b")
        assert texts_of(await translate(worker, "a b")) == ["b a"]

    run(main)


# Who goes first.


def test_priorities_and_clients_share_the_engine() -> None:
    translator = FakeTranslator(num_slots=1)
    engine = translator.engine

    async def main(worker: Worker) -> None:
        engine.gate.clear()
        calls = [start(worker, "a")]  # request 0
        await wait_for(engine.held)
        heavy, light = CallContext("heavy", ""), CallContext("light", "")
        confined = CallContext("confined", "", max_priority=Priority.BATCH)
        calls += [
            start(worker, "b c", "d e", caller=heavy, priority=Priority.BATCH),  # 1, 2
            start(worker, *["f g"] * 8, caller=heavy),  # 3 to 10
            start(worker, "h i", "j k", caller=light),  # 11, 12
            start(worker, "l", caller=confined),  # 13
        ]
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.gather(*calls)

    with Worker(translator) as worker:
        run(lambda: main(worker))
    assert engine.admitted == [0, 3, 11, 4, 12, 5, 6, 7, 1, 8, 9, 10, 13, 2]


# What is told.


def test_the_observer_sees_what_becomes_of_requests(translator: FakeTranslator, clock: Clock) -> None:
    engine = translator.engine
    engine.clock = clock
    recorder = Recorder()

    async def main(worker: Worker) -> None:
        engine.gate.clear()
        found = start(worker, "a b", "c", "d", priority=Priority.BATCH)
        await wait_for(engine.held)
        refused, cancelled = start(worker, "refused"), start(worker, "forever")
        await asyncio.sleep(0)
        clock.now += 2
        engine.gate.set()
        await found
        await refused
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    with Worker(translator, observer=recorder, clock=clock) as worker:
        run(lambda: main(worker))
    assert recorder.events[:3] == [("admitted", "en-de", "batch", 0.0)] * 3
    assert recorder.events[3:7] == [
        ("first token", "en-de", 2.0),
        ("finished", "en-de", 2.0, 1, 1),
        ("first token", "en-de", 2.0),
        ("finished", "en-de", 2.0, 1, 1),
    ]
    assert sorted(recorder.events[7:], key=repr) == [
        ("admitted", "en-de", "interactive", 2.0),
        ("dropped", "en-de", "cancelled"),
        ("dropped", "en-de", "refused"),
        ("finished", "en-de", 2.0, 2, 2),
        ("first token", "en-de", 2.0),
    ]


@pytest.mark.usefixtures("silent_log")
def test_the_observer_sees_what_an_engine_that_fails_costs(translator: FakeTranslator) -> None:
    recorder = Recorder()
    translator.engine.is_broken = True

    async def main(worker: Worker) -> None:
        with pytest.raises(EngineError):
            await translate(worker, "a", "b", "c", "d", "e")
        assert worker.is_broken

    with Worker(translator, observer=recorder) as worker:
        run(lambda: main(worker))
    assert [event for event in recorder.events if event[0] == "dropped"] == [("dropped", "en-de", "failed")] * 5


def test_a_stuck_engine_is_given_up_and_its_calls_may_go_elsewhere(
    translator: FakeTranslator, silent_log: None
) -> None:
    broken = threading.Event()
    translator.engine.gate.clear()
    worker = Worker(translator, stall_seconds=1.0, on_broken=broken.set)

    async def main() -> None:
        stuck = start(worker, "a", "b", "c")
        await wait_for(translator.engine.held)
        waiting = start(worker, "d")
        with pytest.raises(ReplicaLostError, match="the decoding engine is stuck; the model is being loaded again"):
            await stuck
        with pytest.raises(EngineError, match="is broken"):
            await waiting
        await wait_for(broken)
        assert worker.is_broken
        with pytest.raises(EngineError):
            await translate(worker, "e")
        await worker.drain()  # nobody waits for the thread

    run(main)
    translator.engine.gate.set()
    worker._thread.join(30)  # should it ever go on, it ends
    assert not worker._thread.is_alive()


def test_an_engine_that_says_that_it_is_stuck_is_not_tried_again(translator: FakeTranslator, silent_log: None) -> None:
    broken = threading.Event()
    translator.engine.errors = [StalledError("a thread is stuck")]

    async def main(worker: Worker) -> None:
        with pytest.raises(ReplicaLostError, match="a thread is stuck; the model is being loaded again"):
            await translate(worker, "a")
        await wait_for(broken)

    with Worker(translator, on_broken=broken.set) as worker:
        run(lambda: main(worker))
    assert translator.engine.admitted == [0]


def test_an_engine_at_rest_or_at_work_is_not_stuck(worker: Worker, translator: FakeTranslator) -> None:
    loop = worker._loop

    async def main() -> None:
        assert not any(loop.look() for _ in range(2 * NUM_LOOKS))  # it sleeps
        translator.engine.gate.clear()
        call = start(worker, "a")
        await wait_for(translator.engine.held)
        assert [loop.look() for _ in range(NUM_LOOKS)] == [False] * NUM_LOOKS
        translator.engine.gate.set()
        await call
        translator.engine.gate.clear()
        call = start(worker, "a")
        await wait_for(translator.engine.held)
        assert [loop.look() for _ in range(NUM_LOOKS + 1)] == [False] * NUM_LOOKS + [True]
        translator.engine.gate.set()
        await call

    run(main)


def test_a_text_that_ends_processes_fails_alone(worker: Worker, translator: FakeTranslator) -> None:
    translator.engine.is_lost_at_fault = True

    async def main() -> None:
        outcomes = await translate(worker, "a b", "forever | lost", "c d")
        assert texts_of(outcomes) == ["b a", "replica 0 ended", "d c"]

    run(main)
    worker.close()
    assert translator.engine.num_active == 0


def test_a_client_with_wide_beams_gets_fewer_sentences() -> None:
    translator = FakeTranslator(num_slots=1)
    engine = translator.engine
    wide, narrow = CallContext("wide", ""), CallContext("narrow", "")

    async def main(worker: Worker) -> None:
        engine.gate.clear()
        calls = [start(worker, "a")]
        await wait_for(engine.held)
        calls.append(asyncio.ensure_future(translate(worker, *"bcd", caller=wide, beam_size=9)))  # 1 to 3, of 10 each
        calls.append(asyncio.ensure_future(translate(worker, *"efghijk", caller=narrow, beam_size=1)))  # 4 to 10, of 2
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.gather(*calls)

    with Worker(translator) as worker:
        run(lambda: main(worker))
    assert engine.admitted == [0, 1, 4, 5, 6, 7, 8, 2, 9, 10, 3]

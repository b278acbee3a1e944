"""The worker: callers share the engine, cancel, fail, and are finished at the end."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from model.config import Direction
from model.decoding.request import PreparedText, Request, SearchOptions, Translation
from model.decoding.translator import Translator
from model.errors import InvalidInputError, NotFoundError
from server.scheduler import QueueFullError
from server.worker import MAX_FINISHED_INLINE, EngineError, Worker, WorkerClosedError
from tests.server.fakes import DE_EN, EN_DE, PATIENCE, FakeTranslator, reverse_words, wait_for


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
    log = logging.getLogger("server.worker")
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(logging.NOTSET)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def prepare(worker: Worker, *texts: str, **options: Any) -> list[PreparedText]:
    return [worker.translator.prepare(text, EN_DE, SearchOptions(**options)) for text in texts]


def start(worker: Worker, *texts: str) -> "asyncio.Task[list[Translation]]":
    return asyncio.ensure_future(worker.translate(prepare(worker, *texts)))


def texts_of(translations: list[Translation]) -> list[str]:
    return [translation.text for translation in translations]


def test_order_is_kept_whatever_finishes_first(worker: Worker) -> None:
    sources = [" ".join("abcdefgh"[: 1 + (7 * i) % 8]) for i in range(40)]

    async def main() -> None:
        assert texts_of(await worker.translate(prepare(worker, *sources))) == [reverse_words(s) for s in sources]

    run(main)


def test_blank_texts_never_enter_the_engine(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        assert texts_of(await worker.translate(prepare(worker, "", "a b", "  "))) == ["", "b a", "  "]
        assert texts_of(await worker.translate(prepare(worker, " "))) == [" "]
        assert await worker.translate([]) == []

    run(main)
    assert len(translator.engine.admitted) == 1


def test_a_text_of_several_segments_is_several_requests(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        texts = ["a b | c | d e f | g", "", "h", "i j | k"]
        translations = await worker.translate(prepare(worker, *texts, n_best=2))
        assert texts_of(translations) == ["b a | c | f e d | g", "", "h", "j i | k"]
        assert translations[0].hypotheses[1].text == "b a ! | c ! | f e d ! | g !"

    run(main)
    assert translator.engine.admitted == list(range(7))


def test_the_caller_s_loop_is_woken_once_for_all_segments(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        num_calls = 0
        call_soon_threadsafe = loop.call_soon_threadsafe

        def counted(*arguments: Any) -> asyncio.Handle:
            nonlocal num_calls
            num_calls += 1
            return call_soon_threadsafe(*arguments)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        await worker.translate(prepare(worker, "a b | c | d e f", "g"))
        assert num_calls == 1

    run(main)


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
        with pytest.raises(InvalidInputError, match="the engine refuses this text"):
            await worker.translate(prepare(worker, "forever | refused | waits"))
        assert texts_of(await worker.translate(prepare(worker, "a b"))) == ["b a"]

    run(main)
    worker.close()
    assert engine.num_active == 0


def test_what_has_no_room_waits_until_there_is_some(worker: Worker, translator: FakeTranslator) -> None:
    translator.engine.max_positions = 5

    async def main() -> None:
        sources = ["a b c", "d e", "f g h i", "j"]  # the last would fit beside the second, but nobody is overtaken
        assert texts_of(await worker.translate(prepare(worker, *sources))) == [reverse_words(s) for s in sources]

    run(main)
    assert translator.engine.together == [{0, 1}, {0, 1}, {0}, {2, 3}, {2}, {2}, {2}]


def test_what_never_has_room_is_refused_and_holds_up_nobody(worker: Worker, translator: FakeTranslator) -> None:
    translator.engine.max_positions = 3

    async def main() -> None:
        translator.engine.gate.clear()
        calls = [start(worker, "a b"), start(worker, "c d e f"), start(worker, "g h")]
        await wait_for(translator.engine.held)
        translator.engine.gate.set()
        with pytest.raises(InvalidInputError, match="the engine has no room for this text"):
            await calls[1]
        assert texts_of(await calls[0] + await calls[2]) == ["b a", "h g"]

    run(main)


def test_options_reach_the_engine(worker: Worker) -> None:
    async def main() -> None:
        (translation,) = await worker.translate(prepare(worker, "a b", n_best=3))
        assert [(h.text, h.score) for h in translation.hypotheses] == [("b a", 0), ("b a !", -1), ("b a ! !", -2)]

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
        await worker.translate(prepare(worker, "a", "a b c", "a b c", "a b"))

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
        assert texts_of(await worker.translate(prepare(worker, "f g"))) == ["g f"]

    with caplog.at_level(logging.ERROR, "server.worker"):
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
        with pytest.raises(InvalidInputError, match="the engine refuses this text"):
            await refused
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
        with pytest.raises(EngineError, match="must be restarted"):
            await worker.translate(prepare(worker, "d"))

    run(main)


@pytest.mark.usefixtures("silent_log")
def test_the_real_engine_goes_on_after_an_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = Translator.load(tiny_bundle)
    broken: list[bool] = []

    async def main(worker: Worker) -> None:
        (before,) = await worker.translate(prepare(worker, "a b c"))
        decoder = translator.engine.decoder
        advance = decoder.advance

        def fail_once(*arguments: Any) -> None:
            monkeypatch.setattr(decoder, "advance", advance)
            raise RuntimeError("a kernel failed")

        monkeypatch.setattr(decoder, "advance", fail_once)
        with pytest.raises(EngineError, match="RuntimeError"):
            await worker.translate(prepare(worker, "a b c"))
        (after,) = await worker.translate(prepare(worker, "a b c"))
        assert after == before

    with Worker(translator, on_broken=lambda: broken.append(True)) as worker:
        run(lambda: main(worker))
    assert not broken


def test_the_real_engine_translates_long_texts_in_little_room(tiny_bundle: Path, tiny_sentences: list[str]) -> None:
    texts = ["  ".join(tiny_sentences[:20]), tiny_sentences[3], "x" * 300, "\n".join(tiny_sentences[20:30])]
    options = SearchOptions(beam_size=2, max_target_length=6)
    alone = [Translator.load(tiny_bundle).translate(text, "de", beam_size=2, max_target_length=6)[0] for text in texts]
    # Room for one sentence of the longest, 64 pieces and 2 beams of 6, and a bit: two that are short.
    translator = Translator.load(tiny_bundle, max_slots=8, max_cached_positions=80)

    async def main(worker: Worker) -> None:
        calls = [asyncio.ensure_future(worker.translate([translator.prepare(text, EN_DE, options)])) for text in texts]
        for (translation,), due in zip([await call for call in calls], alone, strict=True):
            assert (translation.source, translation.text) == (due.source, due.text)
            assert translation.score == pytest.approx(due.score)  # where torch decodes, up to rounding

    with Worker(translator) as worker:
        run(lambda: main(worker))


@pytest.mark.usefixtures("silent_log")
def test_an_engine_that_leaks_its_slots_is_broken(translator: FakeTranslator) -> None:
    engine = translator.engine
    told = threading.Event()
    engine.cancel = lambda request_id: False  # type: ignore[method-assign]

    async def main(worker: Worker) -> None:
        engine.errors.append(RuntimeError("a kernel failed"))
        with pytest.raises(EngineError):
            await worker.translate(prepare(worker, "forever", "forever"))
        await wait_for(told)
        with pytest.raises(EngineError, match="must be restarted"):
            await worker.translate(prepare(worker, "d"))

    with Worker(translator, on_broken=told.set) as worker:
        run(lambda: main(worker))


@pytest.mark.parametrize("is_large", [False, True])
def test_many_hypotheses_do_not_hold_up_the_event_loop(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    threads: set[threading.Thread] = set()
    finish = translator.finish

    def observed(*arguments: Any) -> Translation:
        threads.add(threading.current_thread())
        return finish(*arguments)

    monkeypatch.setattr(translator, "finish", observed)

    async def main() -> None:
        sources = [f"a {number}" for number in range(MAX_FINISHED_INLINE // 2 + is_large)]
        translations = await worker.translate(prepare(worker, *sources, n_best=2))
        assert texts_of(translations) == [reverse_words(source) for source in sources]

    run(main)
    assert (threads == {threading.main_thread()}) is not is_large


def test_a_full_queue_refuses_the_whole_call(translator: FakeTranslator) -> None:
    async def main(worker: Worker) -> None:
        translator.engine.gate.clear()
        busy = start(worker, "a", "b", "c")
        await wait_for(translator.engine.held)
        waiting = start(worker, "d")
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await worker.translate(prepare(worker, "e", "f", "g"))
        translator.engine.gate.set()
        assert texts_of(await busy + await waiting) == ["a", "b", "c", "d"]

    with Worker(translator, max_waiting=3) as worker:
        run(lambda: main(worker))


def test_drain_finishes_what_it_has_and_takes_no_more(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = threading.Event()
    join = worker._thread.join

    def join_observed() -> None:
        closing.set()
        join()

    monkeypatch.setattr(worker._thread, "join", join_observed)

    async def main() -> None:
        translator.engine.gate.clear()
        running = start(worker, "a b", "c", "d", "waits for a slot")
        await wait_for(translator.engine.held)
        drained = asyncio.ensure_future(worker.drain())
        await wait_for(closing)
        with pytest.raises(WorkerClosedError):
            await worker.translate(prepare(worker, "late"))
        assert not drained.done()
        translator.engine.gate.set()
        await drained
        assert texts_of(await running) == ["b a", "c", "d", "slot a for waits"]

    run(main)


def test_closing_twice_is_harmless(worker: Worker) -> None:
    worker.close()
    worker.close()


def test_an_idle_worker_sleeps(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        await worker.translate(prepare(worker, "a b"))

    run(main)
    worker.close()
    assert translator.engine.num_steps == 2  # and none while nothing was asked of it


def test_a_caller_whose_loop_is_gone_does_not_hurt(worker: Worker, translator: FakeTranslator) -> None:
    engine = translator.engine
    engine.gate.clear()
    loop = asyncio.new_event_loop()

    async def ask() -> None:
        task = start(worker, "a")
        await wait_for(engine.held)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is abandoned on purpose

    loop.run_until_complete(ask())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    engine.gate.set()

    async def main() -> None:
        assert texts_of(await worker.translate(prepare(worker, "b c"))) == ["c b"]

    run(main)

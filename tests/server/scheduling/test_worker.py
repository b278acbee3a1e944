"""What callers of a worker get: translations, scores, texts to watch, and reasons why not."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.decoding.request import Event, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidRequestError, NoTranslationError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.request_queue import UNKNOWN_RETRY_SECONDS
from dragoman.server.scheduling.scheduler import QueueFullError, QueueLimits
from dragoman.server.scheduling.worker import MAX_FINISHED_INLINE, DeadlineError, TextFailure, Worker, WorkerClosedError
from dragoman.translation.drafts import Found, PreparedText, Round, replace_sentences
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning
from dragoman.translation.translator import Translator
from tests.server.fakes import EN_DE, PATIENCE, FakeTranslator, reverse_words, wait_for
from tests.server.scheduling.workers import ANYBODY, Clock, Recorder, prepare, run, start, texts_of, translate


@pytest.fixture
def translator() -> FakeTranslator:
    return FakeTranslator(num_slots=3)


@pytest.fixture
def worker(translator: FakeTranslator) -> Iterator[Worker]:
    with Worker(translator) as worker:
        yield worker
        translator.engine.gate.set()


def test_order_is_kept_whatever_finishes_first(worker: Worker) -> None:
    sources = [" ".join("abcdefgh"[: 1 + (7 * i) % 8]) for i in range(40)]

    async def main() -> None:
        assert texts_of(await translate(worker, *sources)) == [reverse_words(s) for s in sources]

    run(main)


def test_blank_texts_never_enter_the_engine(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        assert texts_of(await translate(worker, "", "a b", "  ")) == ["", "b a", "  "]
        assert texts_of(await translate(worker, " ")) == [" "]
        assert await worker.translate([], caller=ANYBODY, priority=Priority.INTERACTIVE) == []

    run(main)
    assert len(translator.engine.admitted) == 1


def test_a_text_without_probabilities_fails_beside_the_others(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = translator.finish

    def fail_for_one(prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        if prepared.text == "c d":
            raise NoTranslationError("the model has no probabilities for this text")
        return finish(prepared, found)

    monkeypatch.setattr(translator, "finish", fail_for_one)

    async def main() -> None:
        outcomes = texts_of(await translate(worker, "a b", "c d", "e f"))
        assert outcomes == ["b a", "the model has no probabilities for this text", "f e"]

    run(main)


def test_a_text_of_several_segments_is_several_requests(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        texts = ["a b | c | d e f | g", "", "h", "i j | k"]
        translations = await translate(worker, *texts, n_best=2)
        assert texts_of(translations) == ["b a | c | f e d | g", "", "h", "j i | k"]
        assert isinstance(translations[0], Translation)
        assert translations[0].hypotheses[1].text == "b a ! | c ! | f e d ! | g !"

    run(main)
    assert translator.engine.admitted == list(range(7))


class FussyTranslator(FakeTranslator):
    """Translates a segment of several words again, word by word."""

    def review(self, prepared: PreparedText, found: Found, *, keeps_unchanged: bool = False) -> Round | None:
        assert len(found) == len(prepared.segments)
        words = {index: draft.source.split() for index, draft in enumerate(prepared.drafts)}
        replacements = {
            index: self.prepare(" | ".join(some), EN_DE, prepared.options)
            for index, some in words.items()
            if len(some) > 1
        }
        return replace_sentences(prepared, found, replacements) if replacements and not keeps_unchanged else None


def test_segments_that_failed_are_translated_in_another_way() -> None:
    translator, recorder = FussyTranslator(num_slots=3), Recorder()
    with Worker(translator, observer=recorder) as fussy:

        async def main() -> None:
            outcomes = await translate(fussy, "a b | c", "", "d", "refused e", "f g h")
            assert texts_of(outcomes)[:3] == ["a | b | c", "", "d"]
            assert isinstance(outcomes[3], TextFailure)
            assert texts_of(outcomes)[4] == "f | g | h"

        run(main)
    assert len(translator.engine.admitted) == 4 + 2 + 3  # of the first round that was not refused, and of the second
    assert [event for event in recorder.events if event[0] == "retried"] == [("retried", translator.name, 2 + 3)]


def test_warnings_of_translations_are_reported(translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = TranslationWarning("repeats", (0, 1), (0, 1))

    def doubt(prepared: PreparedText, found: Found) -> Translation:
        warnings = (warning,) if prepared.text == "c" else ()
        return Translation(prepared.text, (Hypothesis("x", -1.0, warnings=warnings),))

    monkeypatch.setattr(translator, "finish", doubt)
    recorder = Recorder()
    with Worker(translator, observer=recorder) as worker:

        async def main() -> None:
            await translate(worker, "a", "c", "c")

        run(main)
    assert [event for event in recorder.events if event[0] == "warned"] == [("warned", translator.name, "repeats")] * 2


def test_a_text_that_is_followed_keeps_what_it_showed() -> None:
    with Worker(FussyTranslator()) as fussy:

        async def main() -> None:
            (prepared,) = prepare(fussy, "a b")
            async with aclosing(fussy.follow(prepared, caller=ANYBODY, priority=Priority.INTERACTIVE)) as shown:
                texts = [live async for live in shown]
            assert texts[-1].translation is not None
            assert texts[-1].translation.text == "b a"

        run(main)


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
        await translate(worker, "a b | c | d e f", "g")
        assert num_calls == 1

    run(main)


def test_options_reach_the_engine(worker: Worker) -> None:
    async def main() -> None:
        (translation,) = await translate(worker, "a b", n_best=3)
        assert isinstance(translation, Translation)
        assert [(h.text, h.score) for h in translation.hypotheses] == [("b a", 0), ("b a !", -1), ("b a ! !", -2)]

    run(main)


def test_the_real_engine_translates_long_texts_in_little_room(tiny_bundle: Path, tiny_sentences: list[str]) -> None:
    texts = ["  ".join(tiny_sentences[:20]), tiny_sentences[3], "x" * 300, "\n".join(tiny_sentences[20:30])]
    alone = [Translator.load(tiny_bundle).translate(text, "de", beam_size=2, max_target_length=6)[0] for text in texts]
    # Room for one sentence of the longest, 64 pieces and 2 beams of 6, and a bit: two that are short.
    translator = Translator.load(tiny_bundle, max_slots=8, max_cached_positions=80)

    async def main(worker: Worker) -> None:
        calls = [asyncio.ensure_future(translate(worker, text, beam_size=2, max_target_length=6)) for text in texts]
        for (translation,), due in zip([await call for call in calls], alone, strict=True):
            assert isinstance(translation, Translation)
            assert (translation.source, translation.text) == (due.source, due.text)
            assert translation.score == pytest.approx(due.score)  # where torch decodes, up to rounding

    with Worker(translator) as worker:
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
        translations = await translate(worker, *sources, n_best=2)
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
        with pytest.raises(QueueFullError) as full:
            await translate(worker, "e", "f", "g")
        assert full.value.retry_after == UNKNOWN_RETRY_SECONDS
        assert worker.num_waiting == 1
        translator.engine.gate.set()
        assert texts_of(await busy + await waiting) == ["a", "b", "c", "d"]

    with Worker(translator, limits=QueueLimits(max_waiting=3)) as worker:
        run(lambda: main(worker))


def test_drain_finishes_what_it_has_and_takes_no_more(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = threading.Event()
    wait = worker._ended.wait

    def wait_observed() -> bool:
        closing.set()
        return wait()

    monkeypatch.setattr(worker._ended, "wait", wait_observed)

    async def main() -> None:
        translator.engine.gate.clear()
        running = start(worker, "a b", "c", "d", "waits for a slot")
        await wait_for(translator.engine.held)
        drained = asyncio.ensure_future(worker.drain())
        await wait_for(closing)
        with pytest.raises(WorkerClosedError):
            await translate(worker, "late")
        assert not drained.done()
        translator.engine.gate.set()
        await drained
        assert texts_of(await running) == ["b a", "c", "d", "slot a for waits"]

    run(main)


def test_closing_twice_is_harmless(worker: Worker) -> None:
    worker.close()
    worker.close()


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
        assert texts_of(await translate(worker, "b c")) == ["c b"]

    run(main)


def test_who_is_refused_is_told_when_to_come_again(translator: FakeTranslator) -> None:
    clock = Clock()
    translator.engine.clock = clock
    step = translator.engine.step

    def slow_step() -> list[Event]:
        clock.now += 2
        return step()

    translator.engine.step = slow_step  # type: ignore[method-assign]

    async def main(worker: Worker) -> None:
        await translate(worker, "a", "b", "c")  # three in two seconds
        translator.engine.gate.clear()
        calls = [start(worker, "a")]
        await wait_for(translator.engine.held)
        calls.append(start(worker, *["b"] * 12))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError) as full:
            await translate(worker, "e")
        assert full.value.retry_after == pytest.approx(12 / 8 * 2 / 3)
        translator.engine.gate.set()
        await asyncio.gather(*calls)

    with Worker(translator, limits=QueueLimits(max_waiting=12), clock=clock) as worker:
        run(lambda: main(worker))


def when_room(
    worker: Worker, *texts: str, caller: CallContext = ANYBODY
) -> "asyncio.Task[list[Translation | TextFailure]]":
    return asyncio.ensure_future(
        worker.translate_when_room(prepare(worker, *texts), caller=caller, priority=Priority.INTERACTIVE)
    )


def test_the_patient_wait_for_room_in_fair_order() -> None:
    translator = FakeTranslator(num_slots=1)
    engine = translator.engine

    async def main(worker: Worker) -> None:
        engine.gate.clear()
        calls = [start(worker, "a")]
        await wait_for(engine.held)
        many, few = CallContext("many", ""), CallContext("few", "")
        calls += [when_room(worker, "b", caller=many) for _ in range(5)]  # 1 to 5
        calls += [when_room(worker, "c", caller=few) for _ in range(2)]  # 6, 7
        calls.append(start(worker, "d", caller=few))  # 8, not refused on account of the others
        await asyncio.sleep(0)
        assert worker.num_waiting == 8
        engine.gate.set()
        assert [texts_of(found) for found in await asyncio.gather(*calls)] == [[text] for text in "abbbbbccd"]

    with Worker(translator, limits=QueueLimits(max_waiting=1)) as worker:
        run(lambda: main(worker))
    assert engine.admitted == [0, 1, 6, 2, 7, 3, 8, 4, 5]


def test_the_patient_that_give_up_hold_up_nobody(translator: FakeTranslator) -> None:
    engine = translator.engine

    async def main(worker: Worker) -> None:
        engine.gate.clear()
        busy = start(worker, "forever", "forever", "forever")
        await wait_for(engine.held)
        calls = [when_room(worker, f"a {number}", caller=CallContext(str(number % 3), "")) for number in range(20)]
        await asyncio.sleep(0)
        for call in (busy, *calls[::2]):
            call.cancel()
        await asyncio.gather(busy, *calls[::2], return_exceptions=True)
        engine.gate.set()
        assert [texts_of(await call) for call in calls[1::2]] == [[f"{number} a"] for number in range(1, 20, 2)]
        assert worker.num_waiting == 0

    with Worker(translator, limits=QueueLimits(max_waiting=3)) as worker:
        run(lambda: main(worker))
    assert engine.num_active == 0


def test_a_text_that_fails_leaves_its_neighbours_their_translations(worker: Worker) -> None:
    async def main() -> None:
        outcomes = await translate(worker, "a b", "forever | refused | c", "", "d e")
        assert outcomes[1] == TextFailure("the engine refuses this text")
        assert texts_of([*outcomes[:1], *outcomes[2:]]) == ["b a", "", "e d"]

    run(main)


def test_given_translations_are_scored(worker: Worker) -> None:
    translator = worker.translator
    pairs = [("a b", "c d e"), ("refused", "f"), ("g", "h")]

    async def main() -> None:
        prepared = [translator.prepare_score(source, target, EN_DE, SearchOptions()) for source, target in pairs]
        found = await worker.score(prepared, caller=ANYBODY, priority=Priority.BATCH)
        assert found[1] == TextFailure("the engine refuses this text")
        scored = [one for one in found if not isinstance(one, TextFailure)]
        assert [(one.source, one.target, one.score) for one in scored] == [("a b", "c d e", -3.0), ("g", "h", -1.0)]

    run(main)


def test_what_the_engine_has_done_is_told(worker: Worker) -> None:
    async def main() -> None:
        await translate(worker, "a b", "c")

    run(main)
    worker.close()
    statistics = worker.statistics()
    assert (statistics.num_steps, statistics.num_slot_steps) == (2, 3)
    assert (statistics.num_admitted, statistics.num_finished, statistics.num_source_pieces) == (2, 2, 3)
    assert not worker.is_broken


def test_a_call_of_blank_texts_waits_for_no_lock(worker: Worker) -> None:
    def translate_blank() -> list[str]:
        return texts_of(asyncio.run(translate(worker, "", " ")))

    with ThreadPoolExecutor(1) as other, worker._queue._wake:
        assert other.submit(translate_blank).result(PATIENCE) == ["", " "]


def test_the_operator_bounds_what_a_search_may_cost(translator: FakeTranslator) -> None:
    async def main(worker: Worker) -> None:
        with pytest.raises(InvalidRequestError, match="beam_size is 5, but this server allows 4 at most"):
            await translate(worker, "a", beam_size=5)
        with pytest.raises(InvalidRequestError, match="n_best is 3, but this server allows 2 at most"):
            await translate(worker, "a", n_best=3)
        assert texts_of(await translate(worker, "a b", beam_size=4, n_best=2)) == ["b a"]
        assert texts_of(await translate(worker, "a b", beam_size=9, n_best=2, sampling_temperature=1.0)) == ["b a"]

    with Worker(translator, limits=QueueLimits(max_beam_size=4, max_n_best=2)) as worker:
        run(lambda: main(worker))


def test_the_operator_bounds_how_long_a_call_may_take(translator: FakeTranslator) -> None:
    clock = Clock()

    async def main(worker: Worker) -> None:
        call = start(worker, "forever")
        await wait_for(translator.engine.occupied)
        clock.now += 5
        with pytest.raises(DeadlineError):
            await call

    with Worker(translator, limits=QueueLimits(max_call_seconds=5), clock=clock) as worker:
        run(lambda: main(worker))


def test_a_full_queue_is_known_before_texts_are_prepared(translator: FakeTranslator) -> None:
    async def main(worker: Worker) -> None:
        translator.engine.gate.clear()
        calls = [start(worker, "a", "b", "c")]
        await wait_for(translator.engine.held)
        calls.append(start(worker, "d"))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError) as full:
            worker.check_room(3, caller=ANYBODY, priority=Priority.INTERACTIVE)
        assert full.value.retry_after == UNKNOWN_RETRY_SECONDS
        worker.check_room(2, caller=ANYBODY, priority=Priority.INTERACTIVE)
        worker.check_room(3, caller=ANYBODY, priority=Priority.BATCH)
        translator.engine.gate.set()
        await asyncio.gather(*calls)
        await worker.drain()
        with pytest.raises(WorkerClosedError):
            worker.check_room(1, caller=ANYBODY, priority=Priority.INTERACTIVE)

    with Worker(translator, limits=QueueLimits(max_waiting=3)) as worker:
        run(lambda: main(worker))

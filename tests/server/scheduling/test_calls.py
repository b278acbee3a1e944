"""Texts that are watched while they are translated."""

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.decoding.request import Event
from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.worker import MAX_FINISHED_INLINE, DeadlineError, LiveText, ReplicaLostError, Worker
from dragoman.translation.translator import Translator
from tests.server.fakes import FakeTranslator, wait_for
from tests.server.scheduling.workers import ANYBODY, Clock, prepare, run, start, texts_of, translate


@pytest.fixture
def translator() -> FakeTranslator:
    return FakeTranslator(num_slots=3)


@pytest.fixture
def worker(translator: FakeTranslator) -> Iterator[Worker]:
    with Worker(translator) as worker:
        yield worker
        translator.engine.gate.set()


class Pace:
    """Lets an engine take one step at a time."""

    def __init__(self, translator: FakeTranslator) -> None:
        self._allowed = threading.Semaphore(0)
        self._step = translator.engine.step
        translator.engine.step = self._take  # type: ignore[method-assign]

    def _take(self) -> list[Event]:
        self._allowed.acquire()
        return self._step()

    def allow(self, num_steps: int) -> None:
        self._allowed.release(num_steps)


def follow(worker: Worker, text: str, caller: CallContext = ANYBODY, **options: Any) -> AsyncGenerator[LiveText, None]:
    (prepared,) = prepare(worker, text, **options)
    return worker.follow(prepared, caller=caller, priority=Priority.INTERACTIVE)


async def read_paced(worker: Worker, pace: Pace, text: str) -> list[LiveText]:
    """All events of a text, if nothing happens before they are read."""
    told = []
    async with aclosing(follow(worker, text)) as following:
        pace.allow(1)
        async for one in following:
            told.append(one)
            pace.allow(1)
    return told


def test_every_change_is_told_to_who_reads_in_time(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        *partials, last = await read_paced(worker, Pace(translator), "a b c d")
        assert partials == [LiveText("", "d"), LiveText("d", " c"), LiveText("d c", " b")]
        assert last.translation is not None
        assert last == LiveText("d c b a", "", last.translation)
        assert last.translation.text == "d c b a"

    run(main)


def test_the_segments_of_a_text_are_told_in_order(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        told = await read_paced(worker, Pace(translator), "a b c | d | e f")
        assert [(one.stable_text, one.unstable_text) for one in told] == [
            ("", "c"),
            ("c", " b"),  # the other segments are finished, but not shown
            ("c b a | d | f e", ""),
        ]

    run(main)


def test_a_blank_text_is_its_own_translation(worker: Worker) -> None:
    async def main() -> None:
        (only,) = [one async for one in follow(worker, "  ")]
        assert (only.stable_text, only.unstable_text) == ("  ", "")
        assert only.translation is not None

    run(main)


def test_who_reads_slowly_gets_the_newest(worker: Worker, translator: FakeTranslator) -> None:
    pace = Pace(translator)

    async def main() -> None:
        async with aclosing(follow(worker, "a b c forever")) as following:
            pace.allow(1)
            assert await anext(following) == LiveText("", "forever")
            pace.allow(10**6)
            await translate(worker, "a b c d e f")  # six steps, in which nobody reads
            assert await anext(following) == LiveText("forever c b", " a")

    run(main)


def test_what_has_not_changed_is_not_told(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        async with aclosing(follow(worker, "forever")) as following:
            assert await anext(following) == LiveText("", "forever")
            reading = asyncio.ensure_future(anext(following))
            await translate(worker, "a b c d e f")
            assert not reading.done()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading

    run(main)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_who_looks_away_frees_the_slot_before_the_next_step(
    worker: Worker, translator: FakeTranslator, is_cancelled: bool
) -> None:
    pace = Pace(translator)

    async def main() -> None:
        following = follow(worker, "forever | forever")
        pace.allow(1)
        await anext(following)
        if is_cancelled:
            reading = asyncio.ensure_future(anext(following))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        else:
            await following.aclose()
        pace.allow(1)  # the step that it may have begun meanwhile
        await asyncio.to_thread(worker.close)

    run(main)
    assert translator.engine.num_steps <= 2
    assert translator.engine.cancelled == [0, 1]
    assert translator.engine.num_active == 0


def test_a_text_that_the_engine_refuses_cannot_be_followed(worker: Worker) -> None:
    async def main() -> None:
        with pytest.raises(InvalidInputError, match="the engine refuses this text"):
            async for _ in follow(worker, "a | refused"):
                pass
        assert texts_of(await translate(worker, "a b")) == ["b a"]

    run(main)


def test_a_lost_process_ends_what_is_followed(worker: Worker) -> None:
    async def main() -> None:
        with pytest.raises(ReplicaLostError, match="replica 0 ended"):
            async for _ in follow(worker, "lost | forever"):
                pass

    run(main)
    worker.close()
    assert worker.statistics().num_active == 0


def test_a_deadline_ends_what_is_followed(translator: FakeTranslator) -> None:
    clock = Clock()

    async def main(worker: Worker) -> None:
        following = follow(worker, "forever", replace(ANYBODY, deadline=clock.now + 1))
        await anext(following)
        clock.now += 1
        with pytest.raises(DeadlineError):
            await anext(following)

    with Worker(translator, clock=clock) as worker:
        run(lambda: main(worker))
    assert translator.engine.num_active == 0


@pytest.mark.parametrize("is_large", [False, True])
def test_many_segments_do_not_hold_up_the_event_loop(
    worker: Worker, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    threads: set[threading.Thread] = set()
    partial_text = translator.partial_text

    def observed(*arguments: Any) -> tuple[str, str]:
        threads.add(threading.current_thread())
        return partial_text(*arguments)

    monkeypatch.setattr(translator, "partial_text", observed)

    async def main() -> None:
        text = " | ".join(["a b c"] * (MAX_FINISHED_INLINE + is_large))
        *_, last = await read_paced(worker, Pace(translator), text)
        assert last.stable_text == " | ".join(["c b a"] * (MAX_FINISHED_INLINE + is_large))

    run(main)
    assert (threads == {threading.main_thread()}) is not is_large


def test_watching_and_translating_share_the_engine(worker: Worker, translator: FakeTranslator) -> None:
    async def main() -> None:
        translator.engine.gate.clear()
        call = start(worker, "a b c")
        await wait_for(translator.engine.held)
        reading = asyncio.ensure_future(read_all(worker, "d e"))
        await asyncio.sleep(0)
        translator.engine.gate.set()
        assert await reading == "e d"
        assert texts_of(await call) == ["c b a"]

    run(main)
    assert translator.engine.together == [{0}, {0, 1}, {0, 1}]


async def read_all(worker: Worker, text: str) -> str:
    *_, last = [one async for one in follow(worker, text)]
    return last.stable_text


def test_the_real_engine_can_be_watched(tiny_bundle: Path, tiny_sentences: list[str]) -> None:
    translator = Translator.load(tiny_bundle)
    text = "  ".join(tiny_sentences[:3])

    async def main(worker: Worker) -> None:
        once: dict[str, Any] = {"max_retries": 0}  # what was shown is not searched again
        (alone,) = await translate(worker, text, **once)
        *partials, last = [one async for one in follow(worker, text, **once)]
        assert last.translation == alone
        assert [last.stable_text] == texts_of([alone])
        for one, following in itertools.pairwise([*partials, last]):
            assert following.stable_text.startswith(one.stable_text)

    with Worker(translator) as worker:
        run(lambda: main(worker))

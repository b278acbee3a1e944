"""What a call knows of its sentences' waiting, from a real worker."""

import asyncio

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.server.call_context import CallContext, CallTiming, Priority
from dragoman.server.scheduling.worker import Worker
from tests.server.fakes import EN_DE, FakeTranslator


def test_the_longest_wait_of_all_sentences_counts() -> None:
    timing = CallTiming()
    assert timing.queue_seconds is None
    timing.admitted(10.0, 12.5)
    timing.admitted(9.0, 13.0)
    timing.admitted(11.0, 14.0)
    timing.finished(15.0)
    timing.finished(16.0)
    assert timing == CallTiming(9.0, 12.5, 14.0, 16.0, 4.0)


def test_a_worker_notes_times_in_the_call_that_it_serves() -> None:
    translator = FakeTranslator(num_slots=1)

    async def translate(text: str, call: CallContext) -> None:
        prepared = translator.prepare(text, EN_DE, SearchOptions())
        await worker.translate([prepared], caller=call, priority=Priority.BATCH)

    async def main() -> None:
        await asyncio.gather(translate("a b", first), translate("c | d", second))

    first, second = CallContext("me", "1"), CallContext("me", "2")
    with Worker(translator) as worker:
        asyncio.run(main())
    for timing in (first.timing, second.timing):
        assert timing.submitted_at is not None
        assert timing.admitted_at is not None
        assert timing.last_admitted_at is not None
        assert timing.finished_at is not None
        assert timing.submitted_at <= timing.admitted_at <= timing.last_admitted_at <= timing.finished_at
        assert timing.queue_seconds == timing.last_admitted_at - timing.submitted_at

"""How much an answer would have is known before any work is spent on it."""

import asyncio
import threading

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.request import UNNUMBERED, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.server.config import LimitsConfig
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.orders import TranslationOrder, Wanted
from dragoman.server.translating.preparing import (
    CHUNK_LENGTH,
    MAX_PREPARED_INLINE,
    check_answer_size,
    estimate_answer,
    prepare_all,
    prepare_item,
)
from dragoman.server.translating.session import Session
from dragoman.translation.drafts import Draft, PreparedText

NOTHING = Wanted()


def make_prepared(*lengths: int, n_best: int = 1, max_target_length: int = 100, num_forced: int = 0) -> PreparedText:
    """lengths: of its segments, in source pieces."""
    options = SearchOptions(beam_size=n_best, n_best=n_best)
    segments = tuple(
        Request(UNNUMBERED, (5,) * length, options, max_target_length, (6,) * num_forced) for length in lengths
    )
    drafts = (Draft("x", "x"),) * len(lengths)
    return PreparedText("x", segments, drafts, ("",) * (len(lengths) + 1), options, Direction("en", "de"))


def count_segments(prepared: PreparedText) -> int:
    return len(prepared.segments)


def test_attention_grows_with_the_square_of_the_text() -> None:
    attention = Wanted(attention=True)
    plain = estimate_answer(make_prepared(10), NOTHING)
    assert estimate_answer(make_prepared(10), attention) - plain == 4 * 10 * 10
    assert estimate_answer(make_prepared(10, 20), attention) - 3 * plain == 4 * 30 * 30
    assert estimate_answer(make_prepared(10, n_best=3), attention) == 3 * (plain + 400)
    assert estimate_answer(make_prepared(10, max_target_length=4), attention) < 4 * 10 * 10
    assert estimate_answer(make_prepared(10, num_forced=50), attention) > 4 * 10 * 50


def test_everything_that_is_asked_for_counts() -> None:
    sizes = [
        estimate_answer(make_prepared(10), wanted)
        for wanted in (NOTHING, Wanted(pieces=True), Wanted(pieces=True, token_log_probs=True))
    ]
    assert sizes == sorted(set(sizes))
    assert estimate_answer(make_prepared(), NOTHING) == 0


def test_what_cannot_be_sent_is_refused() -> None:
    limits = LimitsConfig(max_message_bytes=1024)
    check_answer_size([make_prepared(10)], NOTHING, limits)
    with pytest.raises(
        InvalidInputError, match="the answer would have about 3000 bytes, but a message may have at mos"
    ):
        check_answer_size([make_prepared(100)] * 10, NOTHING, limits)


def test_alignments_take_memory_though_they_are_small() -> None:
    item = make_prepared(1000, max_target_length=1000)
    check_answer_size([item] * 60, Wanted(alignment=True), LimitsConfig())
    with pytest.raises(InvalidInputError, match="alignment needs about 280000000 bytes of attention"):
        check_answer_size([item] * 70, Wanted(alignment=True), LimitsConfig())


def test_a_fault_of_one_item_is_told_from_one_of_all() -> None:
    def refuse(item: str) -> PreparedText:
        raise InvalidInputError(f"{item} is bad")

    def refuse_all(item: str) -> PreparedText:
        raise InvalidRequestError("never")

    assert prepare_item("a", ("a",), refuse, 10) == TextFailure("a is bad")
    assert prepare_item("a", ("b" * 11,), refuse_all, 10) == TextFailure(
        "has 11 characters, but at most 10 are allowed"
    )
    with pytest.raises(InvalidRequestError, match="never"):
        prepare_item("a", ("a",), refuse_all, 10)


def test_long_texts_are_prepared_on_another_thread() -> None:
    threads: list[threading.Thread] = []

    def prepare(text: str) -> PreparedText:
        threads.append(threading.current_thread())
        return make_prepared(1)

    async def main() -> None:
        assert len(await prepare_all(["x" * MAX_PREPARED_INLINE], prepare, len, count_segments, 10)) == 1
        assert threads == [threading.main_thread()]
        assert len(await prepare_all(["x" * (MAX_PREPARED_INLINE + 1)], prepare, len, count_segments, 10)) == 1
        assert threads[1] is not threading.main_thread()
        assert await prepare_all([], prepare, len, count_segments, 10) == []

    asyncio.run(main())


def test_options_that_cost_something_for_every_text_are_work_too() -> None:
    options = SearchOptions(target_prefix="x" * 100, suppressed_pieces=("y",) * 7)
    session = Session(TranslationOrder("de", options=options), ["en"], "de", LimitsConfig(), None, "texts")
    assert session.work("abc") == 110


def test_a_call_that_is_given_up_is_prepared_no_further() -> None:
    prepared = []
    begun, go_on = threading.Event(), threading.Event()

    def prepare(text: str) -> PreparedText:
        prepared.append(text)
        begun.set()
        assert go_on.wait(30)
        return make_prepared(1)

    async def main() -> None:
        task = asyncio.ensure_future(prepare_all(["x" * CHUNK_LENGTH] * 5, prepare, len, count_segments, 10))
        assert await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(main())
    assert len(prepared) == 1

"""Threads that may be given up."""

import asyncio
import threading
from collections.abc import Awaitable

import pytest

from dragoman.server.background import BackgroundThread, run_on_own_thread
from tests.server.fakes import PATIENCE


def run(test: Awaitable[None]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test, PATIENCE)

    asyncio.run(main())


def test_functions_are_called_one_after_the_other_on_one_thread() -> None:
    async def test() -> None:
        thread = BackgroundThread("test")
        found = await asyncio.gather(*(thread.run(threading.current_thread) for _ in range(3)))
        assert len(set(found)) == 1
        assert found[0].daemon
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 // 0)
        assert await thread.run(threading.current_thread) is found[0]
        thread.end()
        assert await run_on_own_thread(threading.current_thread, "other") is not found[0]

    run(test())


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_what_is_given_up_holds_up_nobody_and_is_cleared_away(is_cancelled: bool) -> None:
    async def test() -> None:
        go_on, late = threading.Event(), threading.Event()
        found: list[int] = []

        def hang() -> int:
            go_on.wait(PATIENCE)
            return 7

        def clear_away(number: int) -> None:
            found.append(number)
            late.set()

        thread = BackgroundThread("test")
        before = await thread.run(threading.current_thread)
        hanging = asyncio.ensure_future(thread.run(hang, None if is_cancelled else 0.001, on_late=clear_away))
        if is_cancelled:
            await asyncio.sleep(0)
            hanging.cancel()
        with pytest.raises(asyncio.CancelledError if is_cancelled else TimeoutError):
            await hanging
        assert await thread.run(threading.current_thread) is not before
        assert found == []
        go_on.set()
        assert await asyncio.to_thread(late.wait, PATIENCE)
        assert found == [7]

    run(test())


def test_a_loop_that_has_ended_does_not_keep_what_is_late() -> None:
    go_on, late = threading.Event(), threading.Event()

    def clear_away(found: bool) -> None:
        late.set()

    async def test() -> None:
        hanging = BackgroundThread("test").run(lambda: go_on.wait(PATIENCE), 0.001, on_late=clear_away)
        with pytest.raises(TimeoutError):
            await hanging

    run(test())
    go_on.set()
    assert late.wait(PATIENCE)

"""Signals wait for the end of an update, and no longer than that."""

import signal
import threading

import pytest

from dragoman.training.run.interruption import Interrupted, StopSignals


def test_a_signal_is_answered_and_only_the_next_ends_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignals() as signals:
        assert signals.received == 0
        signal.raise_signal(signal.SIGINT)
        assert "ends after this update and saves it" in capfd.readouterr().err
        assert signals.received == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before


def test_what_can_be_done_again_ends_at_once() -> None:
    with StopSignals() as signals:
        with pytest.raises(Interrupted, match="stopped by SIGTERM after update 1,234"), signals.ending_at_once(1234):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted) as again, signals.ending_at_once(1234):  # for one that came before
            pytest.fail("the signal was not heeded")
    assert again.value.exit_code == 143


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def enter() -> None:
        with StopSignals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]

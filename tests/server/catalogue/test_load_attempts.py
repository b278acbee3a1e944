"""When a model that cannot be loaded is tried again."""

import pytest

from dragoman.model.errors import DragomanError
from dragoman.server.catalogue.bundle_watch import BundleState
from dragoman.server.catalogue.load_attempts import LoadAttempts
from dragoman.server.config import ModelConfig

MODEL = ModelConfig(bundle="a")
STATE, OTHER_STATE = BundleState("/a", ()), BundleState("/b", ())
ERROR = DragomanError("damaged")


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> LoadAttempts:
    return LoadAttempts(clock)


def test_pauses_grow_to_a_bound(attempts: LoadAttempts) -> None:
    pauses = [attempts.fail(MODEL, STATE, ERROR) for _ in range(100)]
    assert pauses[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(pauses[9:]) == {300}


def test_it_is_too_early_until_the_pause_is_over(attempts: LoadAttempts, clock: Clock) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.fail(MODEL, STATE, ERROR)
    assert attempts.reason_to_wait(MODEL, STATE) is ERROR
    assert attempts.seconds_until_next() == 2
    clock.now += 1.5
    assert attempts.seconds_until_next() == 0.5
    clock.now += 0.5
    assert attempts.reason_to_wait(MODEL, STATE) is None
    assert attempts.seconds_until_next() == 0


def test_other_files_begin_anew(attempts: LoadAttempts) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.fail(MODEL, STATE, ERROR)
    assert attempts.reason_to_wait(MODEL, OTHER_STATE) is None
    assert attempts.fail(MODEL, OTHER_STATE, ERROR) == 1


def test_success_ends_it(attempts: LoadAttempts) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.succeed(MODEL)
    assert attempts.seconds_until_next() is None
    assert attempts.fail(MODEL, STATE, ERROR) == 1


def test_what_is_not_configured_any_more_is_forgotten(attempts: LoadAttempts) -> None:
    attempts.fail(MODEL, STATE, ERROR)
    attempts.confine_to([ModelConfig(bundle="b")])
    assert attempts.seconds_until_next() is None


def test_the_first_trouble_of_all_needs_no_pause(attempts: LoadAttempts) -> None:
    assert attempts.note(MODEL, STATE, ERROR, 0) == 0
    assert attempts.reason_to_wait(MODEL, STATE) is None

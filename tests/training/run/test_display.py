"""What training shows: whole lines, which a log file can hold, or a bar where there is a terminal."""

import re

import pytest

from dragoman.training.display import describe_duration
from dragoman.training.evaluation.ranking import TOO_MUCH
from dragoman.training.run.reporting import TrainingDisplay


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says to the library that draws."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def test_each_measurement_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(total_updates=9000, done_updates=100) as display:
        display.advance(1149)
        display.measured(1150, loss=3.14159, tokens_per_second=4321.9)

    output, errors = capsys.readouterr()
    assert output == ""
    assert re.fullmatch(r"update 1,150/9,000  4,322 tokens/s  loss 3\.142  \d+ s left\n", errors)


def test_a_validation_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(total_updates=10, done_updates=0) as display:
        display.validated(5, {"bleu": 37.8, "bleu en→de": 34.56, "bleu de→en": 41.0}, is_best=True)
        display.validated(
            10,
            {"bleu": 37.0, "bleu en→de": 33.0, "bleu de→en": 41.04, "loss en→de": 2, "loss de→en": 2.1},
            is_best=False,
        )

    assert capsys.readouterr().err.splitlines() == [
        "update 5: dev BLEU en→de 34.6  de→en 41.0  (best so far)",
        "update 10: dev BLEU en→de 33.0  de→en 41.0; loss en→de 2.000, de→en 2.100",
    ]


def test_several_dev_sets_are_shown_by_their_names_and_with_what_decides(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(total_updates=10, done_updates=0) as display:
        values = {"bleu": 30.04, "bleu general en→de": 40.0, "bleu domain en→de": 20.0, "loss general en→de": 2.0}
        display.validated(5, values, is_best=True)
    assert capsys.readouterr().err == (
        "update 5: dev BLEU general en→de 40.0  domain en→de 20.0, all 30.0; loss general en→de 2.000  (best so far)\n"
    )


def test_weights_that_lose_too_much_are_said_to_be_left(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(total_updates=10) as display:
        values = {"bleu": -5.0, "bleu general en→de": 40.0, "bleu domain en→de": 20.0, TOO_MUCH: 2.54}
        display.validated(5, values, is_best=False)
    said = capsys.readouterr().err
    assert said == ("update 5: dev BLEU general en→de 40.0  domain en→de 20.0, 2.5 BLEU more lost than may be\n")


def test_what_is_said_stays_whole(capsys: pytest.CaptureFixture[str]) -> None:
    text = f"runs/{'long/' * 60} has [brackets], a :smile: and 12 numbers"
    with TrainingDisplay(total_updates=10, done_updates=0) as display:
        display.say(text)
    assert capsys.readouterr().err == f"{text}\n"


def test_a_run_resumed_at_its_end_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(total_updates=10, done_updates=10) as display:
        display.measured(10, loss=1.0, tokens_per_second=1.0)
    assert "update 10/10" in capsys.readouterr().err


def test_on_a_terminal_a_bar_shows_it_all(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "150")
    with TrainingDisplay(total_updates=9000, done_updates=100) as display:
        display.validated(1000, {"bleu": 34.56, "bleu en→de": 34.56}, is_best=True)
        display.measured(1150, loss=3.14159, tokens_per_second=4321.9)
        display.advance(1160)

    errors = capsys.readouterr().err
    assert "update 1,000: dev BLEU en→de 34.6  (best so far)" in errors
    assert re.search(r"update 1,160/9,000 .*4,322 tokens/s  loss 3\.142  BLEU en→de 34\.6", errors)


def test_the_bar_shows_no_number_before_one_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingDisplay(total_updates=10) as display:
        display.advance(3)
    before = capsys.readouterr().err
    assert "update 3/10" in before
    assert "nan" not in before  # that would be a run gone wrong
    assert "tokens/s" not in before

    with TrainingDisplay(total_updates=10) as display:
        display.measured(5, loss=3.14159, tokens_per_second=4321.9)
    assert "4,322 tokens/s  loss 3.142" in capsys.readouterr().err


def test_the_first_updates_say_how_long_all_will_take(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(total_updates=9000, done_updates=100) as display:
        for update in range(101, 110):
            display.advance(update)
    [line] = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"the first 3 updates are done: about \d+ s left, without validations", line)


def test_what_is_measured_at_once_needs_no_such_line(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(total_updates=9000) as display:
        display.measured(1, loss=1.0, tokens_per_second=1.0)
        display.advance(3)
    assert "first" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (29, "29 s"), (90, "2 min"), (3599, "1 h 00 min"), (11_100, "3 h 05 min")]
)
def test_durations_are_told_in_the_units_of_people(seconds: float, words: str) -> None:
    assert describe_duration(seconds) == words

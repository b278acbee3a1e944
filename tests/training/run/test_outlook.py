"""What a run says of its course, after each validation."""

import pytest

from dragoman.training.evaluation.ranking import TOO_MUCH
from dragoman.training.run.outlook import describe_outlook
from dragoman.training.run.progress import Validation


def outlook(*bleu: float, first: int = 100) -> str:
    """Of validations after every 100 updates of 1,000, five of which may gain nothing."""
    validations = [Validation(first + 100 * number, score, {}) for number, score in enumerate(bleu)]
    return describe_outlook(validations, last_update=1000, patience=5)


def early(*losses: float) -> str:
    validations = [Validation(100 + 100 * number, 0.1, {"loss en→de": loss}) for number, loss in enumerate(losses)]
    return describe_outlook(validations, last_update=1000, patience=5)


def test_while_bleu_is_near_0_the_dev_loss_decides() -> None:
    assert early(6.0, 5.5, 5.0) == (
        "BLEU is near 0, as in the beginning of every run, so the dev loss decides: it is still falling"
    )
    assert early(6.0, 5.0, 5.5).endswith("so the dev loss decides: it is no lower since update 200")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (outlook(5.0), ""),
        (
            outlook(5.0, 9.0),
            "still gaining: +4.0 BLEU since update 100; if you stop it now, it keeps update 200 (BLEU 9.0)",
        ),
        (
            outlook(1.0, 20.0, 20.5, 20.6, 20.9),
            "gaining slowly: +0.9 BLEU since update 200; if you stop it now, it keeps update 500 (BLEU 20.9)",
        ),
        (
            outlook(1.0, 20.0, 19.5, 19.6, 20.1),
            "hardly gaining: +0.1 BLEU since update 200; if you stop it now, it keeps update 500 (BLEU 20.1)",
        ),
        (
            outlook(1.0, 20.0, 19.5, 19.0),
            "1.0 BLEU below update 200: it stops early after 3 more validations without a better BLEU; "
            "if you stop it now, it keeps update 200 (BLEU 20.0)",
        ),
        (
            outlook(30.0, 25.0, first=0),
            "5.0 BLEU below update 0: it stops early after 4 more validations without a better BLEU; "
            "if you stop it now, it keeps the bundle that it began with (BLEU 30.0)",
        ),
        (
            outlook(9.0, 8.0, 8.0, 8.0, 8.0, 8.0),
            "no gain in 5 validations; if you stop it now, it keeps update 100 (BLEU 9.0)",
        ),
        (
            outlook(1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 8.0),
            "1.0 BLEU below update 600; if you stop it now, it keeps update 600 (BLEU 9.0)",
        ),
        (outlook(*range(10)), ""),
    ],
    ids=[
        "first",
        "gains",
        "slowly",
        "hardly",
        "past-its-best",
        "fine-tuned",
        "stalled",
        "too-late",
        "at-the-end",
    ],
)
def test_the_course_is_told_in_plain_words(line: str, expected: str) -> None:
    assert line == expected


def test_weights_that_lose_too_much_are_no_worse_bleu() -> None:
    validations = [Validation(0, 20.0, {}), Validation(100, 15.0, {TOO_MUCH: 0.6})]
    assert describe_outlook(validations, last_update=1000, patience=5) == (
        "a dev set loses more than it may; if you stop it now, it keeps the bundle that it began with (BLEU 20.0)"
    )

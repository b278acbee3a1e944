"""What of a text's hypotheses becomes training pairs."""

from collections import Counter

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.training.synthesis.choice import REASONS, Candidate, Chooser, Filters, Keep, Reason

SOURCE = "Der Hund sieht das kleine Haus."
GOOD = Candidate("The dog sees the little house.", -0.5)
OTHER = Candidate("The dog is seeing the small house.", -0.7)


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (Candidate("", -0.1), "blank"),
        (Candidate(" \u3000", -0.1), "blank"),
        (Candidate(SOURCE, -0.1), "copied"),
        (Candidate("der  HUND sieht das kleine Haus. ", -0.1), "copied"),
        (Candidate("The dog the dog the dog", -0.1, is_cut_off=True), "cut_off"),
        (Candidate("The dog sees the little house.", -2.01), "unlikely"),
        (Candidate("The dog sees " + "the little house " * 5, -0.1), "out_of_ratio"),
        (Candidate("Dog sees.", -0.1), "out_of_ratio"),
        (GOOD, None),
        (Candidate("The dog sees the little house.", -2.0), None),
    ],
)
def test_what_is_unfit_is_left_out_for_its_reason(candidate: Candidate, reason: Reason | None) -> None:
    passed, left_out = Filters(min_score=-2.0, max_ratio=2.0).apply(SOURCE, [candidate])
    assert passed == ([] if reason else [candidate])
    assert left_out == ({reason: 1} if reason else {})
    assert set(left_out) <= REASONS.keys()


def test_short_texts_may_differ_in_any_ratio() -> None:
    ratio = Filters(max_ratio=1.0)
    twenty_longer = Candidate("OK" + 20 * "!", -0.1)
    assert ratio.apply("OK", [twenty_longer])[0] == [twenty_longer]
    assert ratio.apply("OK", [Candidate("OK" + 21 * "!", -0.1)])[1] == {"out_of_ratio": 1}


def test_what_is_not_asked_for_is_not_left_out() -> None:
    candidates = [Candidate("x" * 1000, -99.0), Candidate("x", -100.0)]
    assert Filters().apply(SOURCE, candidates) == (candidates, Counter())
    copy = Candidate(SOURCE, -0.1)
    assert Filters(allow_copies=True).apply(SOURCE, [copy])[0] == [copy]


def test_of_equal_hypotheses_the_first_stays_and_the_order_is_kept() -> None:
    again = Candidate(GOOD.text, -0.9)
    blank = Candidate("", 0.0)
    passed, left_out = Filters().apply(SOURCE, [blank, GOOD, OTHER, again, again, blank])
    assert passed == [GOOD, OTHER]
    assert left_out == {"blank": 2, "repeated": 2}


@pytest.mark.parametrize("keep", ["best", "all", "random", "nearest"])
def test_of_none_none_is_kept_and_of_one_that_one(keep: Keep) -> None:
    assert Chooser(keep).choose([], number=1, reference="x") == []
    assert Chooser(keep).choose([GOOD], number=1, reference="x") == [GOOD]


def test_the_best_and_all() -> None:
    assert Chooser("best").choose([GOOD, OTHER], number=1) == [GOOD]
    assert Chooser("all").choose([GOOD, OTHER], number=1) == [GOOD, OTHER]


@pytest.mark.parametrize(
    ("reference", "nearest"),
    [
        ("The dog sees the little house.", 0),
        ("A dog is seeing the small house.", 1),
        ("It is the small house.", 1),
        ("Completely different words", 0),  # of equals the better one
    ],
)
def test_the_nearest_by_sentence_bleu(reference: str, nearest: int) -> None:
    candidates = [GOOD, OTHER]
    assert Chooser("nearest").choose(candidates, number=1, reference=reference) == [candidates[nearest]]


def test_the_tokenizer_decides_what_is_near() -> None:
    one, two = Candidate("狗看到房子", -0.1), Candidate("小猫", -0.2)
    assert Chooser("nearest").choose([two, one], number=1, reference="狗看到了房子") == [two]  # for words, all alike
    assert Chooser("nearest", tokenize="zh").choose([two, one], number=1, reference="狗看到了房子") == [one]
    with pytest.raises(InvalidInputError, match="unknown tokenizer 'none such'"):
        Chooser("nearest", tokenize="none such")


def test_random_draws_all_alike_and_the_same_for_the_same_seed() -> None:
    candidates = [Candidate(str(number), -float(number)) for number in range(4)]

    def draws(seed: int) -> list[Candidate]:
        chooser = Chooser("random", seed=seed)
        return [one for number in range(1, 4001) for one in chooser.choose(candidates, number=number)]

    assert draws(1) == draws(1) != draws(2)
    counts = Counter(draws(1))
    assert set(counts) == set(candidates)
    assert all(abs(count - 1000) < 150 for count in counts.values())  # five standard deviations

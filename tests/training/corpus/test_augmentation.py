"""Text as people write it: each change does what it says, and nothing else."""

from collections.abc import Callable
from random import Random

import pytest

from dragoman.training.corpus.augmentation import (
    Augmenter,
    Change,
    Pair,
    to_capitals,
    to_lower_case,
    to_title_case,
    with_copied_signs,
    with_inlined_terms,
    with_stand_ins,
    with_typos,
    without_diacritics,
    without_final_punctuation,
)
from dragoman.training.text_config import AugmentationConfig

PAIR = ("Das Mädchen aß {name} um 3:30 Uhr.", "The girl ate {name} at half past three.")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (to_capitals, ("DAS MÄDCHEN ASS {name} UM 3:30 UHR.", "THE GIRL ATE {name} AT HALF PAST THREE.")),
        (to_title_case, ("Das Mädchen Aß {name} Um 3:30 Uhr.", PAIR[1])),
        (to_lower_case, ("das mädchen aß {name} um 3:30 uhr.", PAIR[1])),
        (without_final_punctuation, ("Das Mädchen aß {name} um 3:30 Uhr", PAIR[1])),
    ],
)
def test_a_change_leaves_what_is_no_word(change: Change, expected: Pair) -> None:
    assert change(Random(1), PAIR) == expected
    assert change(Random(1), ("12 {name}", "12 {name}")) is None


def test_plain_letters_come_in_two_ways() -> None:
    found = {without_diacritics(Random(seed), PAIR) for seed in range(20)}
    assert found == {
        ("Das Maedchen ass {name} um 3:30 Uhr.", PAIR[1]),
        ("Das Madchen ass {name} um 3:30 Uhr.", PAIR[1]),
    }
    assert without_diacritics(Random(1), (PAIR[1], PAIR[0])) is None


def test_a_typo_is_in_one_word_and_not_at_its_first_letter() -> None:
    for seed in range(100):
        changed = with_typos(Random(seed), PAIR)
        if changed is None:  # two equal letters were exchanged
            continue
        assert changed[1] == PAIR[1]
        words = zip(PAIR[0].split(), changed[0].split(), strict=True)
        differing = [(old, new) for old, new in words if old != new]
        assert [old for old, _ in differing] == ["Mädchen"]
        assert differing[0][1][0] == "M"
        assert abs(len(differing[0][1]) - len("Mädchen")) <= 1
    assert with_typos(Random(1), ("Er aß es um 12.", "He ate it at 12.")) is None


def test_signs_are_the_same_on_both_sides() -> None:
    for seed in range(50):
        changed = with_copied_signs(Random(seed), PAIR)
        assert changed is not None
        signs = {text.replace(old, "").strip() for text, old in zip(changed, PAIR, strict=True)}
        assert len(signs) == 1
        assert signs != {""}


def test_stand_ins_take_the_place_of_what_both_sides_have_once() -> None:
    pair = ("On 3 May Anna paid %s 40 to Anna's aunt Priya.", "Am 3. Mai zahlte Anna %s 40 an Annas Tante Priya.")
    spans = ("3", "%s", "40", "Priya")
    seen = set()
    for seed in range(100):
        changed = with_stand_ins(Random(seed), pair, number=9)
        assert changed is not None
        marks = [mark for mark in (f"⟦{n}⟧" for n in range(1, 10)) if mark in changed[0]]
        assert marks
        assert all(text.count(mark) == 1 for text in changed for mark in marks)
        gone = [span for span in spans if span not in changed[0].replace("⟦3⟧", "").replace("⟦4⟧", "").split(" ")]
        seen |= {*marks}
        assert "Anna" in changed[0], "it occurs twice on one side"
        assert len(gone) >= 1
    assert len(seen) == 9
    assert with_stand_ins(Random(1), ("He came.", "Er kam."), number=9) is None


def test_terms_stand_behind_the_words_that_they_translate() -> None:
    pair = ("The bridge and the dog (a poodle).", "Die Brücke und der Hund (ein Pudel).")
    lexicon = {"bridge": "Brücke", "dog": "Hund", "cat": "Katze", "poodle": "Dackel"}
    found = {with_inlined_terms(Random(seed), pair, lexicon=lexicon) for seed in range(40)}
    assert found == {
        ("The bridge⟪Brücke⟫ and the dog (a poodle).", pair[1]),
        ("The bridge and the dog⟪Hund⟫ (a poodle).", pair[1]),
        ("The bridge⟪Brücke⟫ and the dog⟪Hund⟫ (a poodle).", pair[1]),
    }
    assert with_inlined_terms(Random(1), ("The cat.", "Ein Hund."), lexicon=lexicon) is None


def test_an_augmenter_draws_the_configured_shares(tiny_sentences: list[str]) -> None:
    pairs = list(zip(tiny_sentences[::2], tiny_sentences[1::2], strict=True)) * 40
    augmenter = Augmenter(
        AugmentationConfig(capitals=0.2, lower_case=0.3, concatenated=0.25, copied_signs=0.1), num_stand_ins=0
    )

    changed = augmenter.augment(pairs, Random(3))

    def share(is_so: Callable[[Pair], bool]) -> float:
        return sum(map(is_so, changed)) / len(pairs)

    assert len(changed) == len(pairs)
    assert share(lambda pair: pair[1].isupper()) == pytest.approx(0.2, abs=0.05)
    assert share(lambda pair: pair[0].islower()) == pytest.approx(0.3, abs=0.05)
    assert share(lambda pair: pair[1].count(".") > 1) == pytest.approx(0.25, abs=0.05)
    assert changed == augmenter.augment(pairs, Random(3))
    assert changed != augmenter.augment(pairs, Random(4))
    assert Augmenter(AugmentationConfig(), num_stand_ins=0).augment(pairs, Random(3)) == pairs

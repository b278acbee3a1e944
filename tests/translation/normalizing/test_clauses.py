"""Long sentences are cut where clauses end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.normalizing.clauses import Clause, as_sentence, find_parts


def parts(sentence: str, language: str, most: int) -> list[str]:
    return [sentence[begin:end] for begin, end in find_parts(sentence, language, len(sentence.split()), most)]


@pytest.mark.parametrize(
    ("sentence", "language", "clauses"),
    [
        (
            "I went home and he stayed there and she cried because we laughed.",
            "en",
            ["I went home", "and he stayed there", "and she cried", "because we laughed."],
        ),
        (
            "Ich ging nach Hause, und er blieb dort, weil sie lachte; dann aßen wir.",
            "de",
            ["Ich ging nach Hause", "und er blieb dort", "weil sie lachte", "dann aßen wir."],
        ),
        (
            "The old man and the sea were there, but nobody saw them.",
            "en",
            ["The old man and the sea were there", "but nobody saw them."],
        ),
    ],
)
def test_clauses_are_cut(sentence: str, language: str, clauses: list[str]) -> None:
    assert parts(sentence, language, 4 if len(clauses) > 2 else 8) == clauses


@pytest.mark.parametrize(
    "sentence",
    [
        "A short one, and it stays.",
        'He said "I will go home and you will stay here and wait for me" to us all.',
        "We met the man (and he was the one who had called us yesterday) at last.",
        "Apples pears plums cherries bananas oranges lemons grapes melons figs dates",
    ],
)
def test_sentences_that_stay_whole(sentence: str) -> None:
    assert parts(sentence, "en", 6) == [sentence]


@given(
    st.text(st.sampled_from('ab ,;–-.()"'))
    | st.lists(st.sampled_from(["and he", "went,", "home;", "(", "I"])).map(" ".join)
)
def test_nothing_but_signs_between_clauses_is_left_out(sentence: str) -> None:
    found = find_parts(sentence, "en", max(1, len(sentence)), 5)
    place = 0
    for begin, end in found:
        assert begin < end or len(found) == 1
        assert set(sentence[place:begin]) <= set(" ,;:–—-")
        place = end
    assert place == len(sentence)


def test_a_part_stands_as_a_sentence_and_loses_that_again() -> None:
    assert as_sentence("and he stayed") == "And he stayed."
    assert as_sentence('he said "yes."') == 'He said "yes."'
    inner = Clause(is_first=False, is_last=False, lower=str.lower)
    assert inner.undo("Und er blieb.") == "und er blieb"
    assert Clause(is_first=True, is_last=False, lower=str.lower, end=",").undo("Ich ging.") == "Ich ging,"
    assert Clause(is_first=False, is_last=True, lower=str.lower).undo("Weil er ging!") == "weil er ging!"

"""Loops in translations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.checks.repeats import find_loop


@pytest.mark.parametrize(
    ("source", "target", "loop"),
    [
        ("I see.", "Ich, ich, ich, ich, ich sehe.", "Ich, ich, ich, ich, ich"),
        ("The dog barks.", "Der Hund, der Hund, der Hund bellt.", "Der Hund, der Hund, der Hund"),
        ("What do I do?", "Was soll ich tun? Was soll ich tun?", "Was soll ich tun? Was soll ich tun?"),
        ("Laughter", "Hahahahahahahahahahahahahahaha!", "ahahahahahahahahahahahahahah"),
        ("ha ha ha ha", "ha ha ha ha ha ha ha ha ha", "ha ha ha ha ha ha ha ha ha"),
        ("Wait.", "Warte . . . . . . .", None),
        ("Very, very, very good.", "Sehr, sehr, sehr gut.", None),
        ("no no no no", "nein nein nein nein nein", None),
        ("He said that that is that.", "Er sagte, dass das das sei.", None),
        ("Tom is Tom.", "Tom ist Tom, und Maria ist Maria.", None),
        ("Go again and again and again.", "Geh wieder und wieder und wieder.", None),
        ("Donaudampfschifffahrtsgesellschaft", "Donaudampfschifffahrtsgesellschaft", None),
        ("", "", None),
    ],
)
def test_a_loop_is_more_than_the_source_repeats(source: str, target: str, loop: str | None) -> None:
    span = find_loop(source, target)
    assert (span and target[slice(*span)]) == loop


@given(words=st.lists(st.sampled_from(["der", "die", "Hund", "in", "am"]), max_size=12), number=st.integers(4, 9))
def test_no_text_is_a_loop_of_itself_and_all_are_when_repeated(words: list[str], number: int) -> None:
    text = " ".join(words)
    assert find_loop(text, text) is None
    if words:
        assert find_loop("x", " ".join(words * number)) is not None

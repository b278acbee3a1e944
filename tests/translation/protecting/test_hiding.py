"""Hiding spans, dividing sentences, and standing in: what a model copies comes back as it was."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.translation.markup.segments import Inline
from dragoman.translation.protecting.dividing import Fragment, divide, has_letters
from dragoman.translation.protecting.figures import count_figure, is_easy
from dragoman.translation.protecting.hiding import hide, is_hidden
from dragoman.translation.protecting.spans import find_latin, find_spans
from dragoman.translation.protecting.stand_ins import DEFAULT_STAND_INS, StandIns, replace_hidden
from tests.translation.protecting.test_spans import ANY_TEXT

WORDS = StandIns(tuple(f"Name{letter}" for letter in "ABCDEFGHIJ"), tuple(str(number) for number in range(70, 99)))


def parts_of(text: str, *, at_every_span: bool = False) -> list[tuple[str, bool]]:
    hidden = hide(text, find_spans(text))
    parts = divide(hidden.text, hidden, at_every_span=at_every_span)
    return [(hidden.reveal(part.text), part.is_gap) for part in parts]


@settings(deadline=None)
@given(ANY_TEXT)
def test_a_hidden_text_can_be_revealed(text: str) -> None:
    hidden = hide(text, find_spans(text))
    assert hidden.reveal(hidden.text) == text
    assert len(hidden.neutral) == len(hidden.text)
    assert not any(map(is_hidden, hidden.neutral))


@settings(deadline=None)
@given(ANY_TEXT, st.booleans())
def test_the_parts_of_a_sentence_are_the_sentence(text: str, at_every_span: bool) -> None:
    parts = parts_of(text, at_every_span=at_every_span)
    assert "".join(part for part, _ in parts) == text
    for part, is_gap in parts:
        assert is_gap or (has_letters(part) and part == part.strip())


@settings(deadline=None)
@given(ANY_TEXT)
def test_a_cut_sentence_has_no_spans_in_what_is_translated(text: str) -> None:
    hidden = hide(text, find_spans(text))
    for part in divide(hidden.text, hidden, at_every_span=True):
        assert part.is_gap or not any(map(is_hidden, part.text))


@settings(deadline=None)
@given(ANY_TEXT)
def test_what_is_copied_comes_back(text: str) -> None:
    hidden = hide(text, find_spans(text))
    change = replace_hidden(hidden.text, hidden, WORDS, 0)
    if change is not None:
        assert not any(map(is_hidden, change.text))
        restored = change.undo(change.text)
        if restored is not None:
            found = [*filter(is_hidden, restored), *change.left, *change.copied]
            assert len(found) == sum(map(is_hidden, hidden.text))
            assert sorted(map(hidden.reveal, found)) == sorted(hidden.raw)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("😀 Hello 🎉!", [("😀 ", True), ("Hello", False), (" 🎉!", True)]),
        ("File → Save", [("File", False), (" → ", True), ("Save", False)]),
        ("- [x] Done", [("- [x] ", True), ("Done", False)]),
        ("%s: no such file (%d)", [("%s: ", True), ("no such file", False), (" (%d)", True)]),
        ("Read this: https://x.org", [("Read this:", False), (" https://x.org", True)]),
        ("<p>Come in.</p>", [("<p>", True), ("Come in.", False), ("</p>", True)]),
        ("<b>No</b> way", [("<b>No</b> way", False)]),
        ("%s 5 🎉", [("%s 5 🎉", True)]),
        ("Come with %s.", [("Come with %s.", False)]),
    ],
)
def test_what_stands_at_the_ends_is_not_translated(text: str, due: list[tuple[str, bool]]) -> None:
    joined: list[tuple[str, bool]] = []
    for part, is_gap in parts_of(text):
        if joined and is_gap and joined[-1][1]:
            joined[-1] = (joined[-1][0] + part, True)
        else:
            joined.append((part, is_gap))
    assert joined == due


def restore(text: str, translation: str, attempt: int = 0) -> tuple[str, str | None]:
    """What the model reads, and what becomes of its translation."""
    hidden = hide(text, find_spans(text))
    change = replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, attempt)
    assert change is not None
    restored = change.undo(translation)
    return change.text, None if restored is None else hidden.reveal(restored)


def test_stand_ins_are_put_back() -> None:
    assert restore("Ask {x} for %d.", "Frag Boston nach 40.") == ("Ask Boston for 40.", "Frag {x} nach %d.")
    assert restore("Ask {x} in Boston.", "Frag Tom in Boston.") == ("Ask Tom in Boston.", "Frag {x} in Boston.")


@pytest.mark.parametrize("translation", ["Frag ihn.", "Boston, frag Boston.", "Frag Bostoner.", ""])
def test_a_stand_in_that_is_not_there_once_fails(translation: str) -> None:
    assert restore("Ask {x}.", translation)[1] is None


def test_placeholders_without_numbers_keep_their_order() -> None:
    assert restore("%s sees %d", "40 Boston")[1] is None
    assert restore("%1$s sees %2$d", "40 Boston")[1] == "%2$d %1$s"


def test_marks_stay_at_their_words() -> None:
    assert restore("My dog 🐶 and my cat", "Mein Hund und meine Katze") == (
        "My dog and my cat",
        "Mein Hund 🐶 und meine Katze",
    )
    assert restore("a **big** dog", "ein großer Hund")[1] == "ein **großer** Hund"


def test_another_attempt_takes_other_words() -> None:
    assert restore("Ask {x}.", "Frag London.", 1) == ("Ask London.", "Frag {x}.")


def test_too_many_spans_have_no_stand_ins() -> None:
    text = " ".join(f"{{x{number}}}" for number in range(50))
    hidden = hide(text, find_spans(text))
    assert replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, 0) is None


def test_a_fragment_gets_no_stop() -> None:
    assert Fragment("and then").undo("und dann.") == "und dann"
    assert Fragment("And then.").undo("Und dann.") == "Und dann."


@pytest.mark.parametrize(
    ("figure", "text", "due"),
    [
        ("10", "the 10th, 10. and 10", 3),
        ("10", "100, 1.10, 10.5, 10:30, x10", 0),
        ("3:30 p.m.", "um 15.30 Uhr", 1),
        ("3:30 p.m.", "um 3.30 Uhr", 0),
        ("3:30 pm", "at 3:30 p.m.", 1),
        ("15.30", "at 3:30 pm", 1),
        ("15.30", "at 3:30", 0),
        ("12:15 a.m.", "um 0.15 Uhr", 1),
        ("12:15 p.m.", "um 12.15 Uhr", 1),
    ],
)
def test_easy_figures_are_found_in_other_notations(figure: str, text: str, due: int) -> None:
    assert is_easy(figure)
    assert count_figure(figure, text) == due


def test_an_easy_figure_is_left_at_first() -> None:
    assert restore("In 1987, {x}.", "1987, Boston.") == ("In 1987, Boston.", "1987, {x}.")
    assert restore("In 1987, {x}.", "1978, Boston.")[1] is None
    assert restore("In 1987, {x}.", "2013, London.", 1) == ("In 2013, London.", "1987, {x}.")


def test_learnt_stand_ins_come_first() -> None:
    hidden = hide("{x} has 1,000", find_spans("{x} has 1,000"))
    words = StandIns(("Boston",), ("40",), ("⟦1⟧", "⟦2⟧"))
    texts = [change.text for attempt in range(2) if (change := replace_hidden(hidden.text, hidden, words, attempt))]
    assert texts == ["⟦1⟧ has ⟦2⟧", "Boston has 40"]


@pytest.mark.parametrize(
    ("text", "target", "is_kept"),
    [
        ("The quake had 7.5 points.", "O sismo teve 7,5 pontos.", True),
        ("The quake had 7.5 points.", "O sismo teve 75 pontos.", False),
        ("It has 20,000 lines.", "Tem 20.000 linhas.", True),
        ("It has 20,000 lines.", "Tem 2.000 linhas.", False),
        ("It costs $350,000.", "Custa 350.000 $.", True),
        ("It costs $350,000.", "Custa 350 mil euros.", False),
        ("We won 31-27.", "Vencemos por 31-27.", True),
        ("We won 31-27.", "Vencemos por 27.", False),
        ("Come at 7 a.m. on Friday.", "Venha às 7 da manhã na sexta.", True),
        ("Come at 4.40 pm today.", "Venha às 16h40 hoje.", True),
        ("Come at 4.40 pm today.", "Venha às 4h40 hoje.", False),
        ("I saw it on YouTube.", "Vi no YouTube.", True),
        ("I saw it on YouTube.", "Vi no Youtube.", False),
    ],
)
def test_a_model_without_stand_ins_of_its_own_reads_figures_and_brands(text: str, target: str, is_kept: bool) -> None:
    hidden = hide(text, find_spans(text))
    stand_ins = replace(DEFAULT_STAND_INS, count_pieces=lambda word: 2)
    change = replace_hidden(hidden.text, hidden, stand_ins, 0)
    assert change is not None
    assert change.text == text
    assert (change.undo(target) is not None) is is_kept
    taught = replace_hidden(hidden.text, hidden, StandIns((), (), ("⟦1⟧",)), 0)
    assert taught is not None
    assert "⟦1⟧" in taught.text


def test_a_word_of_many_pieces_has_a_stand_in() -> None:
    text = "I saw it on YouTube."
    hidden = hide(text, find_spans(text))
    change = replace_hidden(hidden.text, hidden, replace(DEFAULT_STAND_INS, count_pieces=len), 0)
    assert change is not None
    assert "YouTube" not in change.text


def test_a_version_keeps_its_notation() -> None:
    text = "Install version 3.10 now."
    hidden = hide(text, find_spans(text))
    change = replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, 0)
    assert change is not None
    assert "3.10" not in change.text


TAUGHT = StandIns((), (), ("⟦1⟧", "⟦2⟧"))


def test_words_in_latin_letters_are_read_as_they_are_or_by_a_learnt_stand_in() -> None:
    text = "Я читаю Harry Potter."
    hidden = hide(text, find_latin(text, "ru"))
    change = replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, 0)
    assert change is not None
    assert change.text == text
    assert change.undo("I read Harry Potter.") == "I read Harry Potter."
    assert change.undo("I read Garry Potter.") is None
    again = replace_hidden(hidden.text, hidden, DEFAULT_STAND_INS, 1)
    assert again is not None
    assert again.text == "Я читаю London."
    taught = replace_hidden(hidden.text, hidden, TAUGHT, 0)
    assert taught is not None
    assert taught.text == "Я читаю ⟦1⟧."
    restored = taught.undo("I read ⟦1⟧.")
    assert restored is not None
    assert hidden.reveal(restored) == "I read Harry Potter."


GERMAN = ("„", "“", "‚", "‘")


@pytest.mark.parametrize(
    ("text", "read", "target", "due"),
    [
        ('The "red" book is old.', "The red book is old.", "Das rote Buch ist alt.", "Das „rote“ Buch ist alt."),
        ("The “red” book is old.", "The red book is old.", "Das rote Buch ist alt.", "Das „rote“ Buch ist alt."),
        ("The ‘red book’ is old.", "The red book is old.", "Das rote Buch ist alt.", "Das „rote Buch“ ist alt."),
        ('Say "yes," not "no."', "Say yes, not no.", "Sag ja, nicht nein.", "Sag „ja“, nicht „nein“."),
        ("A “big ‘red’ book”.", "A big red book.", "Ein großes rotes Buch.", "Ein „großes ‚rotes‘ Buch“."),
        ("“Red”", "Red", "Rot", "„Rot“"),
        ("“Who are you?”", "Who are you?", "Wer bist du?", "„Wer bist du?“"),
        ('"It is the ‘yuri’ of all."', "It is the ‘yuri’ of all.", "Es ist ‚yuri‘.", "„Es ist ‚yuri‘.“"),
        ("“I am old,” he said.", "I am old, he said.", "Ich bin alt, sagte er.", "„Ich bin alt“, sagte er."),
        # whole sentences within another, and what is to be copied, keep their marks
        ("He said, “Come in.”", None, "Er sagte: „Komm.“", "Er sagte: „Komm.“"),
        ("He said, “No. Not I”", None, "Er sagte: „Nein.“", "Er sagte: „Nein.“"),
        ("He asked “Who is it?”", None, "Er fragte: „Wer?“", "Er fragte: „Wer?“"),
        ("The word “yuri” is new.", None, "Das Wort „yuri“ ist neu.", "Das Wort „yuri“ ist neu."),
        ("Open “{name}”.", "Open “⟦1⟧”.", "Öffne „⟦1⟧“.", "Öffne „{name}“."),
        (f"The “one{' two' * 20}” is long.", None, "Lang.", "Lang."),
    ],
)
def test_marks_around_a_few_words_are_placed(text: str, read: str | None, target: str, due: str) -> None:
    hidden = hide(text, find_spans(text))
    change = replace_hidden(hidden.text, hidden, TAUGHT, 0, None, GERMAN, lambda word: word == "yuri")
    assert change is not None
    assert change.text == (text if read is None else read)
    assert change.needs_weights is (read is not None and "⟦" not in read)
    restored = change.undo(target)
    assert restored is not None
    assert hidden.reveal(restored) == due


def test_only_a_model_with_learnt_stand_ins_has_marks_placed() -> None:
    text = "The “red” book is old."
    change = replace_hidden(text, hide(text, ()), DEFAULT_STAND_INS, 0, None, GERMAN)
    assert change is not None
    assert (change.text, change.elements) == (text, ())


MARKS = frozenset("„“‚‘«»‹›”’\"'`")


def elements_in(elements: Sequence[Inline]) -> Iterator[Inline]:
    for one in elements:
        yield one
        yield from elements_in(one.children)


PARTS = ("“a b”", "« c »", "'d,'", '"e."', "„yuri“", "`f (g'", "“h ‘i’ j”", "k", "l.", "m?")


@settings(deadline=None)
@given(st.lists(st.sampled_from(PARTS), min_size=1))
def test_marks_come_in_pairs_around_the_same_words(parts: list[str]) -> None:
    text = " ".join(parts)
    change = replace_hidden(text, hide(text, ()), TAUGHT, 0, None, GERMAN, lambda word: word == "yuri")
    assert change is not None
    restored = change.undo(change.text)
    assert restored is not None
    assert [*filter(str.isalnum, restored)] == [*filter(str.isalnum, text)]
    num_read = sum(map(MARKS.__contains__, change.text))
    assert sum(map(MARKS.__contains__, restored)) == num_read + 2 * len([*elements_in(change.elements)])

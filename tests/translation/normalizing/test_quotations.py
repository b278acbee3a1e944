"""Quotation marks are found in pairs, and become those of the language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.normalizing.quotations import (
    Quotation,
    find_marked,
    find_quotations,
    usual_marks,
    write_quotations,
)

STYLES = (
    ("«", "»"),
    ("« ", " »"),
    ("«\u00a0", "\u00a0»"),
    ("«\u202f", "\u202f»"),
    ("»", "«"),
    ("‹", "›"),
    ("‹ ", " ›"),
    ("›", "‹"),
    ("„", "“"),
    ("„", "”"),
    ("„", '"'),
    ("„ ", " “"),
    ("“", "”"),
    ("“ ", " ”"),
    ('"', '"'),
    ('" ', ' "'),
    ("‘", "’"),
    ("‚", "‘"),
    ("'", "'"),
    ("`", "'"),
    ("``", "''"),
    ("``", '"'),
    (",,", "''"),
    (",,", "``"),
    (",,", '"'),
)
SIGNS = frozenset("«»‹›„“”\"‘’‚'`,")
ANY_MARKS = st.text(st.sampled_from("abc Zé  \u00a0\u202f.,!?\n«»‹›„“”\"‘’‚'`,😀\U000f0000"))
MARKS = ("„", "“", "‚", "‘")


def quoted(text: str) -> list[str]:
    return [text[one.first : one.last] for one in find_quotations(text)]


@pytest.mark.parametrize("style", STYLES, ids="x".join)
@pytest.mark.parametrize("words", ["hello", "it is his", "don't", "%1", "\U000f0000", "Save as…"])
def test_every_style_is_found(style: tuple[str, str], words: str) -> None:
    begin, end = style
    text = f"He said {begin}{words}{end}, and {begin}no{end}. It's the boys' book."
    assert quoted(text) == [words, "no"]
    written = write_quotations(text, MARKS)
    assert sum(written.count(mark) for mark in MARKS) in (0, 4)
    first = written[len("He said ") :]
    assert first[1:].startswith(words)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("« Il dit « oui » et « non » »", "„Il dit ‚oui‘ et ‚non‘“"),
        ("»Was heißt ›bald‹?«, fragte er.", "„Was heißt ‚bald‘?“, fragte er."),
        ("«He said “no”», she said.", "„He said ‚no‘“, she said."),
        ("\"He said 'no'\", she said.", "\"He said 'no'\", she said."),
        ("He said « “no” ».", "He said „‚no‘“."),
        ("‘it’s’ and ‚its‘", "„it’s“ and „its“"),
        ("'Come in,' he said.", '"Come in," he said.'),
        ("'He said \"no\"', she said.", "'He said \"no\"', she said."),
        ('" %s " is missing', '"%s" is missing'),
        ("`print' and `exit'", "„print“ and „exit“"),
    ],
)
def test_quotations_are_written_with_the_usual_marks(text: str, due: str) -> None:
    assert write_quotations(text, MARKS) == due


@pytest.mark.parametrize(
    "text",
    [
        "Home » Products » Shoes",
        "« Back",
        "Next »",
        "Rock 'n' roll for the boys' team, 'cause it's theirs.",
        "Get 'em and 'im for the boys' mothers'.",
        "Ich hab 'ne Frage und 'n Buch von Hans'.",
        'A 5" disk and a 7" disk',
        "6' tall, 5' wide",
        "The '90s and the girls' band",
        r"\"a\" and \'b\'",
        "a, b,, c",
        "x = `ls`",
        "« »",
        '""',
        "„unclosed",
        "« one\ntwo »",
    ],
)
def test_what_is_no_quotation_stays(text: str) -> None:
    assert find_quotations(text) == []
    assert write_quotations(text, MARKS) == text


@given(ANY_MARKS)
def test_quotations_are_nested_or_apart(text: str) -> None:
    found = find_quotations(text)
    assert found == sorted(found, key=lambda one: one.begin)
    for place, one in enumerate(found):
        assert 0 <= one.begin < one.first < one.last < one.end <= len(text)
        words = text[one.first : one.last]
        assert words == words.strip()
        assert words
        assert SIGNS & set(text[one.begin : one.first])
        assert SIGNS & set(text[one.last : one.end])
        assert all(is_nested(one, other) or other.begin >= one.end for other in found[place + 1 :])


def is_nested(one: Quotation, other: Quotation) -> bool:
    return one.holds(other) and not other.holds(one)


@given(ANY_MARKS)
def test_nothing_but_marks_and_their_spaces_changes(text: str) -> None:
    written = write_quotations(text, MARKS)
    found = find_quotations(text)
    changed = {place for one in found for place in (*range(one.begin, one.first), *range(one.last, one.end))}
    kept = "".join(character for place, character in enumerate(text) if place not in changed)
    rest = iter(written)
    assert all(character in rest for character in kept)  # in this order
    assert len(written) == len(kept) + 2 * len(found)


@given(
    st.lists(
        st.tuples(st.sampled_from(STYLES), st.text("abcé ", min_size=1).filter(lambda words: words == words.strip()))
    )
)
def test_balanced_marks_stay_balanced(parts: list[tuple[tuple[str, str], str]]) -> None:
    text = " x ".join(f"{begin}{words}{end}" for (begin, end), words in parts)
    written = write_quotations(text, MARKS)
    assert quoted(text) == [words for _, words in parts] == quoted(written)
    assert written.count(MARKS[0]) == written.count(MARKS[1])
    assert written.count(MARKS[2]) == written.count(MARKS[3])
    assert write_quotations(written, MARKS) == written


@pytest.mark.parametrize(
    ("source", "target", "due"),
    [
        ("He said, “Come in.”", 'Er sagte: „Komm herein."', "Er sagte: „Komm herein.“"),
        ("He said, “Come in.”", "Er sagte: „Komm herein.", "Er sagte: „Komm herein.“"),
        ("He said, “Come in.”", 'Er sagte: "Komm herein.', 'Er sagte: "Komm herein."'),
        ("He said, “Come in.”", "Er sagte: „ Komm herein. “", "Er sagte: „Komm herein.“"),
        ("He said, “Come in.”", "Komm herein.", "Komm herein."),
        ("“Who is it?” he asked.", "„Wer ist es, fragte er.", "„Wer ist es, fragte er."),
        ("“Who is it?” he asked.", "«Wer ist es?», fragte er.", "„Wer ist es?“, fragte er."),
    ],
)
def test_the_last_mark_is_not_forgotten(source: str, target: str, due: str) -> None:
    marked = find_marked(source, "de")
    assert marked is not None
    assert marked.undo(target) == due


def test_only_quotations_are_mended() -> None:
    assert find_marked("It's the boys' house.", "de") is None
    assert find_marked("“Come in.”", "fr") is None


def test_marks_are_known_by_language() -> None:
    assert usual_marks("de-AT") == MARKS
    assert usual_marks("en") == ("“", "”", "‘", "’")
    assert usual_marks("fr") is None

"""Texts come apart into sentences and parts, and together again: nothing is ever lost."""

from collections.abc import Callable

import pytest
import sentencex  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError
from dragoman.translation.sentences import join_sentences, split_sentences, split_to_fit

ANY_TEXT = st.text(
    st.characters(codec=None)
    | st.sampled_from("ab AB12 ..!?,;:\n\t\r\f\x0b\x1c\x85\u2028\u200b\u00a0\u3000\"'“”„()[]*•…。！é日本\ud800😀")
)
LANGUAGES = st.sampled_from(["en", "de", "zh", "ja", "hi", "am", "fr", "pt-BR", "xx", ""])


# Sentences


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ["Hello world. ", "This is a test.  ", "Another one!"]),
        ("en", ["Dr. Smith paid $3.50 to Mr. Jones. ", "He left at 5 p.m. on Friday. ", '"Really?" she asked.']),
        ("en", ["See https://example.com/a.b?c=d. ", "It is the U.S. Army, e.g. Rex."]),
        ("en", ["He came in 1990. ", "He left in 2000."]),
        ("de", ["Das kostet z. B. 3,50 Euro. ", "Er sagte: „Komm!“ ", "Dann ging er."]),
        ("de", ["Er kam am 3. Oktober um 5 Uhr bzw. 6 Uhr. ", "Prof. Dr. h.c. Schmidt war da."]),
        ("zh", ["你好。", "我很好！"]),
        ("pt-BR", ["Olá. ", "Tudo bem?"]),
        ("xx", ["A language of which nobody heard. ", "Still it goes."]),
        ("", ["No language. ", "Still it goes."]),
        ("en", ["One sentence alone"]),
    ],
)
def test_finds_the_sentences(language: str, sentences: list[str]) -> None:
    assert split_sentences("".join(sentences), language) == sentences


def test_a_line_break_ends_a_sentence() -> None:
    lines = ["  Title \n", "\n", "A line\r\n", "another. ", "And more.\r", "one\u2028", "last"]
    assert split_sentences("".join(lines), "en") == lines


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("de", ["Er wurde im 19. Jahrhundert geboren. ", "Danach nicht."]),
        ("de", ["Der 1. FC Köln gewann. ", "Ludwig XIV. Der König."]),
        ("de-AT", ["Am 19. Jänner war es so weit. ", "Im 2. Stock."]),
        ("de", ["Es geschah 1871. ", "Danach war es anders."]),  # a year
        ("de", ["Es war Haus A1. ", "Danach war es anders."]),  # no number by itself
    ],
)
def test_ordinal_numbers_end_no_sentence_where_they_have_a_full_stop(language: str, sentences: list[str]) -> None:
    assert split_sentences("".join(sentences), language) == sentences


def test_numbers_may_end_a_sentence_where_ordinals_have_no_full_stop() -> None:
    assert split_sentences("We met on floor 19. It was late.", "en") == ["We met on floor 19. ", "It was late."]


@pytest.mark.parametrize(
    "sentences",
    [
        ["1. First things first. ", "So be it."],  # the number of an item begins it
        ["Stop! ... ", "Go."],  # dots end what they follow
        ["What? ! ", "😀 Yes."],
    ],
)
def test_what_has_no_letter_is_no_sentence(sentences: list[str]) -> None:
    found = split_sentences("".join(sentences), "en")
    assert all(any(map(str.isalpha, sentence)) for sentence in found)
    assert found[0].startswith(sentences[0].strip())


@given(text=ANY_TEXT, language=LANGUAGES)
@example(text='**\x0c\x1c\u3000-😀 -”1\x0cB"23\t\n2b\ré\u2028 A\u2028.(', language="en")  # on which sentencex fails
@example(text="\ud800. \udfff. A.", language="en")
@example(text="İ. ǅ. ﬃ. A", language="de")  # their lengths change with their case
def test_sentences_joined_are_the_text(text: str, language: str) -> None:
    sentences = split_sentences(text, language)
    assert "".join(sentences) == text
    assert all(sentences)


@pytest.mark.parametrize("found", [["A. "], ["A. ", "B", "surplus"]])
def test_sentences_that_do_not_add_up_are_not_believed(found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentencex, "segment", lambda language, text: found)
    assert split_sentences("A. B.\nC.", "en") == ["A. B.\n", "C."]


def test_a_line_at_which_the_library_fails_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def fail(language: str, text: str) -> list[str]:
        raise PanicException("end byte index 37 is not a char boundary")

    monkeypatch.setattr(sentencex, "segment", fail)
    assert split_sentences("A dog. A cat.\nC.", "en") == ["A dog. A cat.\n", "C."]


def test_an_interrupt_is_no_failure_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(language: str, text: str) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(sentencex, "segment", interrupt)
    with pytest.raises(KeyboardInterrupt):
        split_sentences("A dog. A cat.", "en")


# Parts of a sentence that is too long; here every character is a piece


@pytest.mark.parametrize(
    ("max_pieces", "parts"),
    [
        (35, ["The dog, which was old, and the cat"]),
        (34, ["The dog, which was old, ", "and the cat"]),  # of the two commas the one that is nearer the middle
        (20, ["The dog, ", "which was old, ", "and the cat"]),
        (11, ["The dog, ", "which ", "was old, ", "and the cat"]),
        (8, ["The ", "dog, ", "which ", "was ", "old, ", "and ", "the cat"]),
        (5, ["The ", "dog, ", "whi", "ch ", "was ", "old, ", "and ", "the ", "cat"]),
    ],
)
def test_cuts_at_the_least_bad_place(max_pieces: int, parts: list[str]) -> None:
    assert split_to_fit("The dog, which was old, and the cat", max_pieces, len) == parts


def test_a_dash_begins_a_clause() -> None:
    assert split_to_fit("It is late – very late", 16, len) == ["It is late ", "– very late"]


def test_a_long_run_of_spaces_takes_no_time_of_its_square() -> None:
    sentence = "word" + " " * 300_000 + "word"
    assert "".join(split_to_fit(sentence, 1, lambda part: len(part.split()))) == sentence


def test_text_without_spaces_is_cut_at_its_own_commas() -> None:
    assert split_to_fit("我今天很忙，所以我不去", 8, len) == ["我今天很忙，", "所以我不去"]


@pytest.mark.parametrize("grapheme", ["e\u0301", "👩\u200d🚀", "👍\U0001f3fd", "क\u0947", "\u1100\u1161\u11a8"])
def test_no_grapheme_is_cut(grapheme: str) -> None:
    for begin in ("", "a"):
        parts = split_to_fit(begin + grapheme * 8, 2 * len(grapheme) - 1, len)
        assert {part.removeprefix("a") for part in parts} <= {"", grapheme}


def test_no_flag_is_cut() -> None:
    assert split_to_fit("aaa🇩🇪aaa", 6, len) == ["aaa", "🇩🇪aaa"]


def test_a_grapheme_longer_than_the_limit_is_cut() -> None:
    assert [len(part) for part in split_to_fit("e" + "\u0301" * 9, 3, len)] == [2, 3, 2, 3]


def test_a_character_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(InvalidInputError, match='the character "é" has more than 1 pieces'):
        split_to_fit("aaé", 1, lambda text: len(text.encode()))


@given(
    text=ANY_TEXT.filter(bool), max_pieces=st.integers(1, 12), count=st.sampled_from([len, lambda t: len(t.split())])
)
def test_parts_fit_and_joined_are_the_sentence(text: str, max_pieces: int, count: Callable[[str], int]) -> None:
    parts = split_to_fit(text, max_pieces, count)
    assert "".join(parts) == text
    assert all(parts)
    assert all(count(part) <= max_pieces for part in parts)


# Together again


def test_the_gaps_are_the_source_s() -> None:
    joined = join_sentences(["Eins.", "Zwei.", "Drei"], ["One.", "Two.", "Three"], [" ", "\n\n", "  ", "\n"], "de")
    assert joined == " Eins.\n\nZwei.  Drei\n"
    assert join_sentences([], [], [" \n"], "de") == " \n"


@pytest.mark.parametrize(
    ("language", "joined"), [("en", "Hello. I am well."), ("ja", "Hello.I am well."), ("zh-TW", "Hello.I am well.")]
)
def test_sentences_written_without_a_space_get_one_where_the_language_has_them(language: str, joined: str) -> None:
    assert join_sentences(["Hello.", "I am well."], ["你好。", "我很好。"], ["", "", ""], language) == joined


def test_the_parts_of_a_word_get_no_space() -> None:
    assert join_sentences(["aaa", "bbb"], ["aaa", "bbb"], ["", "", ""], "en") == "aaabbb"


def test_a_long_line_is_looked_at_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """sentencex takes the square of the number of quotation marks, and holds up everything meanwhile."""
    seen: list[int] = []
    segment = sentencex.segment

    def watch(language: str, text: str) -> list[str]:
        seen.append(len(text))
        sentences: list[str] = segment(language, text)
        return sentences

    monkeypatch.setattr(sentencex, "segment", watch)
    for text in ("`" * 100_000, "“ " * 50_000, "a“ B. " * 20_000, "A. " * 30_000):
        seen.clear()
        assert "".join(split_sentences(text, "en")) == text
        assert max(seen) <= 4096
        assert sum(seen) <= 2 * len(text) + 4096


def test_the_sentences_of_a_long_line_are_those_of_a_short_one() -> None:
    sentences = [f"This is the sentence number {number} of them. " for number in range(1000)]
    long_one = "word " * 2000 + "ends. "
    assert split_sentences("".join(sentences), "en") == sentences
    assert split_sentences("".join(["Short. ", long_one, *sentences]), "en") == ["Short. ", long_one, *sentences]

"""`dragoman translate` without --to, and with the language that a text is in already."""

from collections.abc import Iterator

import pytest

from dragoman.commands.target_language import choose_target, likeliest_language, name_unchanged
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.translation.results import Hypothesis, Translation

BOTH = [Direction("en", "de"), Direction("de", "en")]
SEVERAL = [*BOTH, Direction("en", "fr")]


def unread() -> Iterator[str]:
    raise AssertionError("the texts need not be read")
    yield ""


def test_a_single_target_needs_no_text() -> None:
    assert choose_target([Direction("en", "de"), Direction("fr", "de")], None, unread()) == "de"


def test_the_source_language_decides() -> None:
    assert choose_target(BOTH, "German", unread()) == "en"
    assert choose_target(SEVERAL, "DE", unread()) == "en"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Guten Morgen", "en"),
        ("Hallo", "en"),
        ("Good morning", "de"),
        ("Straßenbahnhaltestelle", "en"),
        ("Wo ist der Bahnhof?", "en"),
        ("Press Enter to continue", "de"),
    ],
)
def test_the_text_decides(text: str, target: str) -> None:
    assert choose_target(BOTH, None, [text]) == target


@pytest.mark.parametrize(
    ("source_language", "texts", "message"),
    [
        (None, ["How are you?"], "give --to LANGUAGE: English is translated to de, fr"),
        ("English", [], "give --to LANGUAGE: English is translated to de, fr"),
        (None, ["123", "?!"], "give --to LANGUAGE: the model translates to de, en, fr"),
        (None, [], "give --to LANGUAGE: the model translates to de, en, fr"),
        ("Klingon", ["Guten Morgen"], "give --to LANGUAGE: the model translates to de, en, fr"),
    ],
)
def test_what_leaves_several_targets_is_refused(source_language: str | None, texts: list[str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        choose_target(SEVERAL, source_language, texts)


def test_only_the_beginning_of_long_texts_is_read() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "Das ist ein Satz."

    assert likeliest_language(endless(), ["en", "de"]) == "de"


def translation(source: str, target: str, *, is_unchanged: bool = False) -> Translation:
    return Translation(source, (Hypothesis(target, -1.0),), is_unchanged=is_unchanged)


def test_a_text_in_the_target_language_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        translation("Guten Morgen", "Guten Morgen"),
        translation("Berlin", "Berlin"),  # may be either language
        translation("Good morning", "Guten Morgen"),
    ]
    assert list(name_unchanged(given, "German", SEVERAL)) == given
    output = capsys.readouterr()
    assert output.err == "“Guten Morgen” is German already, and stays as it is; --to en translates it\n"
    assert output.out == ""


def test_a_server_s_word_counts_where_directions_are_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    given = [translation("Bahnhof", "Bahnhof", is_unchanged=True), translation("Das ist es", "Das ist es")]
    assert list(name_unchanged(given, "de", ())) == given
    assert capsys.readouterr().err == "“Bahnhof” is German already, and stays as it is\n"

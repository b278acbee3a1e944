"""Translations that stayed in the source's language, or are in a third one."""

import pytest

from dragoman.translation.checks.words import is_in_wrong_language, is_untranslated


@pytest.mark.parametrize(
    ("source", "target", "languages"),
    [
        ("Where is my umbrella?", "Where is the umbrella of my father?", ("en", "de")),
        ("Where is my umbrella?", "Où est mon parapluie ? Il est dans le salon.", ("en", "de")),
        ("Where is my umbrella?", "Где мой зонтик?", ("en", "de")),
        ("Wo ist mein Schirm?", "Wo ist denn mein schöner Schirm?", ("de", "en")),
        ("Good morning", "Guten Morgen zusammen, meine Damen", ("en", "ru")),
        ("Good morning", "доброе утро", ("en", "ja")),
    ],
)
def test_another_language_is_noticed(source: str, target: str, languages: tuple[str, str]) -> None:
    assert is_in_wrong_language(source, target, *languages)


@pytest.mark.parametrize(
    ("source", "target", "languages"),
    [
        ("Where is my umbrella?", "Wo ist mein Regenschirm?", ("en", "de-AT")),
        ("Let's write a book.", "Lass uns ein Buch schreiben.", ("en", "de")),
        ("Lass uns ein Buch schreiben.", "Let's write a book.", ("de", "en")),
        ("He lives in La Paz.", "Er lebt in La Paz.", ("en", "de")),
        ("Berlin, Hamburg, Kiel", "Berlin, Hamburg, Kiel", ("de", "en")),
        ("Привет, Том!", "Hallo, Том!", ("ru", "de")),
        ("My iPhone", "Мой iPhone", ("en", "ru")),
        ("iPhone 15", "iPhone 15", ("en", "ja")),
        ("Anything", "Unrhyw beth o gwbl", ("en", "cy")),
        ("", "", ("en", "de")),
    ],
)
def test_the_right_language_is_not_doubted(source: str, target: str, languages: tuple[str, str]) -> None:
    assert not is_in_wrong_language(source, target, *languages)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("Please find the invoice attached.", "Please find the invoice attached.", True),
        ("Please find the invoice attached.", "Please find the invoice attached Rechnung", True),
        ("Save all changes", "Save all changes", True),
        ("Please find the invoice attached.", "Anbei die Rechnung.", False),
        ("Tom Jackson, Berlin", "Tom Jackson, Berlin", False),
        ("Computer", "Computer", False),
        ("1 2 3 4", "1 2 3 4", False),
        ("In Hamburg war Tom warm.", "In Hamburg Tom was warm.", False),
        ("", "", False),
    ],
)
def test_a_copy_of_common_words_is_untranslated(source: str, target: str, expected: bool) -> None:
    assert is_untranslated(source, target, "en") is expected

"""All checks of one sentence."""

import pytest

from dragoman.translation.checks.sentence import check_sentence
from dragoman.translation.results import TranslationWarning, WarningKind


def kinds(source: str, target: str, **arguments: object) -> list[WarningKind]:
    return [warning.kind for warning in check_sentence(source, target, "en", "de", **arguments)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("I have 3 dogs.", "Ich habe drei Hunde.", []),
        ("I have 30 dogs.", "Ich habe 13 Hunde.", ["figure_differs"]),
        ("I see nothing.", "Ich sehe, ich sehe, ich sehe, ich sehe nichts.", ["repeats"]),
        ("Please find the invoice attached.", "Please find the invoice attached.", ["untranslated"]),
        ("Where is my umbrella?", "Where has the umbrella been?", ["wrong_language"]),
        ("She asked me whether I could bring the papers to the office tomorrow.", "Sie fragte.", ["much_shorter"]),
        ("Hm.", "Ich weiß wirklich nicht, warum das alles so sein sollte.", ["much_longer"]),
        ("A \u2603 man", "Ein \u2047 Mann", ["unknown_characters"]),
        ("the file 'x'", "die Datei \U0001f4cdx'", ["unknown_characters"]),
        ("\U0001f4cd Here we are", "\U0001f4cd Hier sind wir", []),
    ],
)
def test_each_fault_has_its_kind(source: str, target: str, expected: list[str]) -> None:
    assert kinds(source, target) == expected


def test_warnings_say_which_part_they_concern() -> None:
    source, target = "I paid 333 euros and 20 cents.", "Ich habe 33 Euro bezahlt, ja ja ja ja ja ja."
    assert check_sentence(source, target, "en", "de") == (
        TranslationWarning("figure_differs", (7, 10), (0, len(target))),
        TranslationWarning("figure_differs", (21, 23), (0, len(target))),
        TranslationWarning("repeats", (0, len(source)), (26, 44)),
    )
    added = check_sentence("Some euros.", "33 Euro.", "en", "de")
    assert added == (TranslationWarning("figure_differs", (0, 11), (0, 2)),)


def test_what_must_be_kept_is_missed_once() -> None:
    source = "Write to a7@b.org or {name}."
    kept = [(9, 17), (21, 27)]
    assert check_sentence(source, "Schreib an a7@b.org oder {name}.", "en", "de", kept=kept) == ()
    lost = check_sentence(source, "Schreib an {name}.", "en", "de", kept=kept)
    assert lost == (TranslationWarning("span_lost", (9, 17), (0, 18)),)


def test_a_cut_off_translation_is_doubted() -> None:
    assert kinds("I see.", "Ich sehe", is_cut_off=True) == ["cut_off"]


def test_languages_without_spaces_and_wide_letters_have_comparable_lengths() -> None:
    source = "Tomorrow we will go to the mountains with our friends."
    assert check_sentence(source, "明日、友達と一緒に山に行きます。", "en", "ja") == ()
    assert check_sentence("明日、友達と一緒に山に行きます。", source, "ja", "en") == ()


def test_a_warning_moves_with_its_sentence() -> None:
    assert TranslationWarning("repeats", (0, 3), (1, 4)).moved(10, 20) == TranslationWarning(
        "repeats", (10, 13), (21, 24)
    )


def test_common_sentences_raise_no_warning() -> None:
    pairs = [
        ("Tom and Mary both look down.", "Tom und Maria schauen beide nach unten."),
        ("I was just in time for the flight.", "Ich war gerade rechtzeitig für den Flug."),
        ("No means no.", "Nein heißt nein."),
        ("Break a leg!", "Toi, toi, toi!"),
        (
            "On 9 November 1989, at around 11.30 p.m., the border opened.",
            "Am 9. November 1989 gegen 23.30 Uhr öffnete sich die Grenze.",
        ),
        ("lol no way", "lol niemals"),
        ("Source: own calculation", "Quelle: eigene Berechnung"),
        ("pixels per inch", "Pixel pro Inch"),
        ("OK", "OK"),
    ]
    for english, german in pairs:
        assert check_sentence(english, german, "en", "de") == ()
        assert check_sentence(german, english, "de", "en") == ()

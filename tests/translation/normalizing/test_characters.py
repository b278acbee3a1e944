"""Characters that nobody sees do not reach a model."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.normalizing.characters import Cleaner, as_seen


@pytest.fixture(scope="module")
def cleaner(tiny_vocabulary: Vocabulary) -> Cleaner:
    return Cleaner(tiny_vocabulary.source, "en")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("co\u00adoper\u200bation", "cooperation"),
        ("\ufeffHi\x00 there", "Hi there"),
        ("\u202bHello\u202c \u2066you\u2069\u200e\u200f", "Hello you"),
        ("a\u200db\u200cc\ufe0fd\u2060e", "abcde"),
        ("x\ufffc y\U000e0041", "x y"),
        ("don´t, don`t and donʼt", "don't, don't and don't"),
        ("nai\u0308ve", "naïve"),
        ("ＨＥＬＬＯ！ ５", "HELLO! 5"),
        ("ﬁne ﬀ", "fine ff"),
        ("𝓗𝓮𝓵𝓵𝓸 𝐛𝐨𝐥𝐝", "Hello bold"),
        ("and\u00a0more\u2003space\u202fhere", "and more space here"),
        ("non\u2011breaking", "non-breaking"),
    ],
)
def test_what_is_not_seen_is_left_out(cleaner: Cleaner, text: str, cleaned: str) -> None:
    assert cleaner.clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧 ❤️ 1️⃣ ©️",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می\u200cخواهم",
        "क्\u200dष",
        "1\u00a0000\u202f000",
        "`code` stays",
        "Plain text, it's as it was.",
    ],
)
def test_what_is_needed_stays(cleaner: Cleaner, text: str) -> None:
    assert cleaner.clean(text) == text


def test_wide_punctuation_belongs_to_chinese(tiny_vocabulary: Vocabulary) -> None:
    assert Cleaner(tiny_vocabulary.source, "zh").clean("你好，ＡＢＣ！") == "你好，ABC！"


@given(text=st.text(st.characters(codec=None) | st.sampled_from("ab \u200d\u00ad\ufe0f´\u0308\u00a0")))
def test_cleaning_twice_changes_nothing_more(cleaner: Cleaner, text: str) -> None:
    cleaned = cleaner.clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    if not any(character in cleaned for character in "\u200c\u200d\ufe0e\ufe0f´`"):
        assert cleaner.clean(cleaned) == cleaned


def test_signs_that_the_vocabulary_lacks_become_plain(tiny_vocabulary: Vocabulary) -> None:
    class Plain:
        """A vocabulary of ASCII."""

        def encode(self, text: str) -> list[int]:
            return [ord(character) if character.isascii() else 0 for character in text]

        def decode(self, ids: list[int]) -> str:
            return "".join(map(chr, ids))

        def pieces(self, ids: list[int]) -> tuple[str, ...]:
            return tuple(map(chr, ids))

    assert Cleaner(Plain(), "en").clean("“Don’t” – wait…") == '"Don\'t" - wait...'  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Who ? You !", "Who? You!"),
        ("Really ?! (Yes !)", "Really?! (Yes!)"),
        ("Note\u00a0: wait\u202f; then go", "Note: wait; then go"),
        ("a ratio of 3 : 2", "a ratio of 3 : 2"),
        ("x :y ?z", "x :y ?z"),
        ("? !", "?!"),
    ],
)
def test_the_spaces_of_french_before_marks_are_left_out(cleaner: Cleaner, text: str, cleaned: str) -> None:
    assert cleaner.clean(text) == cleaned


def test_french_keeps_its_spaces(tiny_vocabulary: Vocabulary) -> None:
    assert Cleaner(tiny_vocabulary.source, "fr").clean("« Qui ? » dit-il : moi !") == "« Qui ? » dit-il : moi !"


@pytest.mark.parametrize(
    ("text", "seen", "places"),
    [
        ("Mo\u00adntag", "Montag", [(0, 1), (1, 2), (3, 4), (4, 5), (5, 6), (6, 7)]),
        ("\ufeffA\0", "A", [(1, 2)]),
        ("Fru\u0308h", "Früh", [(0, 1), (1, 2), (2, 4), (4, 5)]),
        ("o\u0302\u0301!", "\u1ed1!", [(0, 3), (3, 4)]),
        ("geht\u02bcs", "geht's", [(place, place + 1) for place in range(6)]),
        ("\u0308", None, None),
        ("Früh 👩\u200d👧", None, None),
        ("Stuhl", None, None),
    ],
)
def test_a_text_as_it_is_seen_and_where_the_original_has_it(
    text: str, seen: str | None, places: list[tuple[int, int]] | None
) -> None:
    found = as_seen(text)
    assert (seen, places) == (None, None) if found is None else (found.text, list(found.places)) == (seen, places)


@given(text=st.text(st.sampled_from("Ab\u00ad\u0308\u200d\ufe0f´' 👩u\0")))
def test_places_of_what_is_seen_follow_each_other(text: str) -> None:
    found = as_seen(text)
    if found is not None:
        assert len(found.text) == len(found.places)
        ends = [0, *(end for _, end in found.places)]
        assert all(end <= begin for end, (begin, _) in zip(ends, found.places, strict=False))


def quoted(text: str) -> str:
    """The text with plain marks for those that a small vocabulary may lack."""
    for marks, plain in (("„“”«»", '"'), ("‚‘’‹›", "'")):
        for mark in marks:
            text = text.replace(mark, plain)
    return text


@pytest.mark.parametrize(
    ("language", "text", "cleaned"),
    [
        ("de", "Die Datei »%s« fehlt.", 'Die Datei "%s" fehlt.'),
        ("de", "«Ja», sagte er, ›nein‹.", '"Ja", sagte er, "nein".'),
        ("en", "The «file» is ‹gone›.", 'The "file" is "gone".'),
        ("en", "The « file » is ‹\u00a0gone\u202f›.", 'The "file" is "gone".'),
        ("de", "Die Datei «\u00a0%s\u00a0» fehlt\u202f!", 'Die Datei "%s" fehlt!'),
        ("en", "The ,,file'' is ``gone'', `really'.", 'The "file" is "gone", "really".'),
        ("en", 'The file " %s " is gone.', 'The file "%s" is gone.'),
    ],
)
def test_other_marks_become_the_quotation_marks_of_the_language(
    tiny_vocabulary: Vocabulary, language: str, text: str, cleaned: str
) -> None:
    found = Cleaner(tiny_vocabulary.source, language).clean(text)
    assert not set("»«›‹") & set(found)
    assert quoted(found) == cleaned

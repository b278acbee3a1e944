"""Text in capitals is lowered and raised again."""

from collections.abc import Sequence
from typing import Literal

import pytest

from dragoman.translation.normalizing.capitals import TrueCaser, is_in_capitals, is_title, raise_capitals


class Words:
    """A vocabulary in which these words are one piece, and all others are letters."""

    def __init__(self, words: str) -> None:
        self._words = words.split()

    size, unk_id, serialized = 1000, 1, b""

    def encode(self, text: str) -> list[int]:
        return [self._words.index(text)] if text in self._words else [100 + ord(letter) for letter in text]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return ""

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        return ()

    def decode_all(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        return ["" for _ in sequences]

    def piece_id(self, piece: str) -> int | None:
        return None

    def type(self) -> Literal["unigram", "bpe", "other"]:
        return "other"

    def scores(self) -> dict[int, float]:
        return {}


@pytest.mark.parametrize("text", ["GOOD MORNING", "DON'T!", "STRAßE", "A B 3", "GRÜẞE"])
def test_capitals(text: str) -> None:
    assert is_in_capitals(text)


@pytest.mark.parametrize(
    "text", ["Good MORNING", "A", "3", "", "A 4", "你好", "iPHONE", "ᎣᏏᏲ ᎣᎯᏍᏛ", "USB 数据线", "كابل USB"]
)
def test_no_capitals(text: str) -> None:
    assert not is_in_capitals(text)


def test_words_are_written_as_the_vocabulary_has_them() -> None:
    caser = TrueCaser(Words("please close the door London USA"), "en")
    assert (
        caser.lower("PLEASE CLOSE THE DOOR IN LONDON, USA! THE DOOR.")
        == "Please close the door in London, USA! The door."
    )


def test_german_nouns_and_sharp_s() -> None:
    caser = TrueCaser(Words("bitte schließen Sie die Tür hand Hand der in junge Mann"), "de")
    assert caser.lower("BITTE SCHLIESSEN SIE DIE TÜR.") == "Bitte schließen Sie die Tür."
    assert caser.lower("IN DER HAND") == "In der Hand"
    assert caser.lower("DER JUNGE MANN") == "Der junge Mann"
    assert caser.lower("BEWEGLICHKEIT, DIE BEWEGLICHKEIT") == "Beweglichkeit, die Beweglichkeit"


def test_kept_parts_stay_on_both_ways() -> None:
    caser = TrueCaser(Words("hello dear"), "en")
    assert caser.lower("HELLO DEAR XQ", kept=["XQ"]) == "Hello dear XQ"
    assert raise_capitals("Hallo lieber Tom, Grüße", "de", kept=["Tom"]) == "HALLO LIEBER Tom, GRÜSSE"


@pytest.mark.parametrize(("text", "language"), [("გამარჯობა", "ka"), ("Ꭳꮟᏺ", "chr")])
def test_letters_whose_capitals_are_not_used_stay(text: str, language: str) -> None:
    assert raise_capitals(text, language) == text


def test_turkish_keeps_its_dot() -> None:
    assert raise_capitals("iki ırk", "tr") == "İKİ IRK"


@pytest.mark.parametrize("text", ["Save Changes", "Click Here to Continue", "The Lord of the Rings", "Step 2: Log In"])
def test_headings(text: str) -> None:
    assert is_title(text, "en")
    assert not is_title(text, "de")


def test_headings_are_lowered_but_for_names() -> None:
    caser = TrueCaser(Words("click here to continue save changes Jack black PDF"), "en")
    assert caser.lower_title("Click Here to Continue") == "Click here to continue"
    assert caser.lower_title("Save Changes as PDF") == "Save changes as PDF"
    assert caser.lower_title("Jack Black") == "Jack Black"


def test_stressed_words_are_lowered_but_for_acronyms() -> None:
    caser = TrueCaser(Words("very important not WHO us"), "en")
    assert caser.lower_emphasis("This is VERY important, NOT for the WHO or the US.") == (
        "This is very important, not for the WHO or the US."
    )


def test_the_first_word_within_a_sentence() -> None:
    caser = TrueCaser(Words("und Hund"), "de")
    assert [caser.lower_word(word) for word in ("Und", "Hund", "USA", "iPhone")] == ["und", "Hund", "USA", "iPhone"]

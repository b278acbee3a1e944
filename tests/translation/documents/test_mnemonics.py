"""Keys of menus."""

import pytest

from dragoman.translation.documents.catalogues.mnemonics import take_mnemonic


@pytest.mark.parametrize(
    ("source", "shown", "translation", "expected"),
    [
        ("_Open File", "Open File", "Datei öffnen", "_Datei öffnen"),
        ("Save _As…", "Save As…", "Speichern als…", "Speichern _als…"),
        ("E&xit", "Exit", "Beenden", "&Beenden"),
        ("E_xit", "Exit", "Exit", "E_xit"),
        ("~Edit", "Edit", "Bearbeiten", "B~earbeiten"),
        ("_Help", "Help", "ヘルプ", "ヘルプ(_H)"),
        ("&Help:", "Help:", "Справка:", "Справка(&H):"),
    ],
)
def test_a_mark_moves_to_a_letter_of_the_translation(source: str, shown: str, translation: str, expected: str) -> None:
    text, mnemonic = take_mnemonic(source)
    assert text == shown
    assert mnemonic is not None
    assert mnemonic.restore(translation) == expected
    assert mnemonic.restore(shown) == source


@pytest.mark.parametrize(
    "text",
    [
        "snake_case",
        "__init__",
        "Q & A",
        "R&D",
        "&amp; x",
        "a ~ b",
        "~/.config",
        "_One _Two",
        "~10",
        "word " * 20 + "_x",
    ],
)
def test_other_signs_are_no_marks(text: str) -> None:
    assert take_mnemonic(text) == (text, None)

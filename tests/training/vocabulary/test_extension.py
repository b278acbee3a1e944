"""A vocabulary with more pieces: the old ones stay, and the new ones shorten new text."""

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import PieceModel, PieceModelOptions, train_piece_model
from dragoman.training.vocabulary.extension import extend_piece_model
from dragoman.training.vocabulary.normalization import nfc_rules, write_rules

NEW_TEXT = [f"Select the spreadsheet 😀 ({number}), and save the spreadsheets: {number}…" for number in range(30)]
NFC = write_rules(nfc_rules())


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def model(request: pytest.FixtureRequest, tiny_sentences: list[str]) -> PieceModel:
    texts = [*tiny_sentences, *[f"In 19 Häusern, im Jahr 1984 und 19{n}." for n in range(40)]]
    return train_piece_model(texts, PieceModelOptions(size=330, type=request.param), languages=["en", "de"])


def options(model: PieceModel, **changes: object) -> PieceModelOptions:
    values = {"size": model.size + 30, "character_coverage": 1.0, "split_digits": True, "rules": NFC} | changes
    return PieceModelOptions(user_defined=("⟦1⟧", "⟦2⟧"), **values)  # type: ignore[arg-type]


def test_old_pieces_keep_their_ids_and_new_text_becomes_shorter(model: PieceModel) -> None:
    extended = extend_piece_model(model, NEW_TEXT, options(model))

    assert extended.size == model.size + 30
    assert extended.pieces(range(model.size)) == model.pieces(range(model.size))
    assert extended.type() == model.type()
    assert extended.tag_id("de") == model.tag_id("de")
    words = "Select the spreadsheet and save the spreadsheets"
    assert len(extended.encode(words)) < 0.6 * len(model.encode(words))
    for text in ("The dog sees the house.", words, "😀", "Zürich 漢字"):
        assert extended.decode(extended.encode(text)) == text
    assert extended.serialized == extend_piece_model(model, NEW_TEXT, options(model)).serialized


def test_new_languages_have_tags(model: PieceModel) -> None:
    extended = extend_piece_model(model, NEW_TEXT, options(model), languages=["en", "chr"])

    tag = extended.tag_id("chr")
    assert tag == model.size
    assert extended.tag_id("en") == model.tag_id("en")
    assert extended.size == model.size + 30
    assert extended.decode([tag, *extended.encode("The dog")]) == "The dog"
    assert tag in extended.unprintable_ids()


def test_stand_ins_digits_and_signs_are_pieces_of_their_own(model: PieceModel) -> None:
    assert any(len(piece.strip("▁")) > 1 for piece in model.pieces(model.encode("1984")))
    extended = extend_piece_model(model, NEW_TEXT, options(model))

    pieces = extended.pieces(extended.encode("s⟦1⟧⟦2⟧ 1984 m² 😀…"))
    text = "".join(pieces).replace("▁", " ").split()
    assert text[0] == "s⟦1⟧⟦2⟧"
    assert {"⟦1⟧", "⟦2⟧", "1", "9", "8", "4", "😀", "…"} <= {piece.strip("▁") for piece in pieces}
    assert not any(len(piece.strip("▁")) > 1 for piece in pieces if piece.strip("▁").isdigit())


def test_an_extension_that_is_none_is_refused(model: PieceModel) -> None:
    with pytest.raises(InvalidInputError, match="not more than the"):
        extend_piece_model(model, NEW_TEXT, options(model, size=model.size))
    with pytest.raises(InvalidInputError, match="gives only"):
        extend_piece_model(model, NEW_TEXT, options(model, size=5000))


def test_the_normalization_leaves_signs_and_joins_letters(model: PieceModel) -> None:
    extended = extend_piece_model(model, NEW_TEXT, options(model))

    def normalized(text: str) -> str:
        return extended.decode(extended.encode(text))

    assert normalized("m² … ½") == "m² … ½"
    assert normalized("Stra\u00adße\ufeff a\u0308\u00a0x\u200by \ufb01ne \uff21") == "Straße ä xy fine A"
    assert normalized("👩\u200d🚀") == "👩\u200d🚀"

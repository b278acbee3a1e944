"""Text to pieces and back, whatever the text; and the reserved pieces that no text can name."""

import io
import re
from collections.abc import Iterator
from typing import Literal

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dragoman.model.codec import Frame
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.vocabulary import PieceModel, PieceModelOptions, Vocabulary, language_tag, train_piece_model
from tests.pieces import BOS_ID, EOS_ID, PAD_ID, UNK_ID, encode_source

LANGUAGES = ["en", "de", "pt-BR"]

any_text = st.text(st.characters(codec=None) | st.sampled_from("aeinrst äß.<>2/de😀日本\u200b\u202e\0\n\t\ud800"))


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def model(request: pytest.FixtureRequest, tiny_sentences: list[str]) -> PieceModel:
    return train_piece_model(tiny_sentences, PieceModelOptions(size=330, type=request.param), languages=LANGUAGES)


def normalized(text: str) -> str:
    """A text as SentencePiece's normalizer alone leaves it, which knows no pieces."""
    readable = text.encode("utf-8", "replace").decode()
    marked: str = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc").normalize(readable)
    return marked.replace("▁", " ").strip(" ")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_the_same_corpus_gives_the_same_model(kind: Literal["unigram", "bpe"], tiny_sentences: list[str]) -> None:
    options = PieceModelOptions(size=330, type=kind)
    first = train_piece_model(tiny_sentences, options, languages=LANGUAGES)
    second = train_piece_model(iter(tiny_sentences), options, languages=reversed([*LANGUAGES, "en"]))
    assert first.serialized == second.serialized


def test_known_words_round_trip_in_few_pieces(model: PieceModel, tiny_sentences: list[str]) -> None:
    for sentence in tiny_sentences:
        pieces = model.encode(sentence)
        assert model.decode(pieces) == sentence
        assert len(pieces) < len(sentence)
        assert UNK_ID not in pieces
    assert model.encode_all(tiny_sentences) == [model.encode(sentence) for sentence in tiny_sentences]


def test_pieces_are_what_the_words_are_made_of(model: PieceModel, tiny_sentences: list[str]) -> None:
    for sentence in tiny_sentences[:4]:
        pieces = model.pieces(model.encode(sentence))
        assert "".join(pieces) == "▁" + sentence.replace(" ", "▁")
    assert model.pieces([]) == ()
    tag = model.tag_id("de")
    assert tag is not None
    assert model.pieces([tag, EOS_ID]) == ("<2de>", "</s>")


@given(text=any_text)
@example(text="🧑‍🚀 Γειά 你好 مرحبا — naïve \x07\x1b[0m")
@example(text="\ud800")
@example(text="\ud83d\ude00")
@example(text="a\0b")
@settings(deadline=None, max_examples=200)
def test_any_text_round_trips(model: PieceModel, text: str) -> None:
    pieces = model.encode(text)
    assert model.decode(pieces) == normalized(text)
    assert not set(pieces) & {PAD_ID, UNK_ID, BOS_ID, EOS_ID, *(model.tag_id(language) for language in LANGUAGES)}


@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\u3000", "\x01\x02\x07", "\u200b\u200e", "\u2028", "\ufeff"])
def test_blank_text_gives_no_pieces(model: PieceModel, text: str) -> None:
    assert model.encode(text) == []


@pytest.mark.parametrize("text", ["<2de>", "<2en> hello", "</s>", "<s>", "<pad>", "<unk>", "<0x41>", "▁<2de>▁"])
def test_text_cannot_name_a_reserved_piece(model: PieceModel, text: str) -> None:
    pieces = model.encode(text)
    assert model.decode(pieces) == text.replace("▁", " ").strip()
    assert not set(pieces) & set(model.unprintable_ids())
    assert EOS_ID not in pieces


def test_without_byte_fallback_what_is_unseen_is_unknown(tiny_sentences: list[str]) -> None:
    options = PieceModelOptions(size=70, byte_fallback=False)
    model = train_piece_model(tiny_sentences, options, languages=["de"])
    assert UNK_ID in model.encode("Ω")
    assert UNK_ID in model.unprintable_ids()
    assert model.size <= 70


def test_tags_and_what_no_translation_may_hold(model: PieceModel) -> None:
    tags = [model.tag_id(language) for language in LANGUAGES]
    assert None not in tags
    assert len(set(tags)) == 3
    assert model.tag_id("fr") is None
    control_bytes = [piece for piece in range(model.size) if re.fullmatch(r"[\x00-\x1f\x7f]", model.decode([piece]))]
    assert len(control_bytes) == 33
    assert set(model.unprintable_ids()) == {PAD_ID, UNK_ID, BOS_ID, *tags, *control_bytes}
    assert model.decode([PAD_ID, BOS_ID, EOS_ID, *(tag for tag in tags if tag is not None)]) == ""
    assert language_tag("pt-BR") == "<2pt-BR>"


def test_a_source_has_its_frame(model: PieceModel) -> None:
    vocabulary = Vocabulary(model, model)
    tag = model.tag_id("de")
    assert encode_source(vocabulary, "The dog", Direction("en", "de")) == [tag, *model.encode("The dog"), EOS_ID]
    assert encode_source(vocabulary, " \u200b", Direction("en", "de")) == []
    assert tag is not None
    assert vocabulary.frame(Direction("en", "de")) == Frame(before=(tag,), after=(EOS_ID,))
    with pytest.raises(NotFoundError, match='no tag for the language "fr"'):
        vocabulary.frame(Direction("en", "fr"))
    with pytest.raises(NotFoundError, match='"fr"'):
        encode_source(vocabulary, "The dog", Direction("en", "fr"))


def test_joint_and_separate(model: PieceModel, tiny_sentences: list[str]) -> None:
    other = train_piece_model(tiny_sentences[1::2], PieceModelOptions(size=310), languages=[])
    joint, separate = Vocabulary(model, model), Vocabulary(model, other)
    assert joint.joint
    assert joint.files() == {"vocabulary.model": model.serialized}
    assert (joint.shape.source_size, joint.shape.target_size, joint.shape.joint) == (model.size, model.size, True)
    assert not separate.joint
    assert separate.files() == {"source.model": model.serialized, "target.model": other.serialized}
    assert (separate.shape.source_size, separate.shape.target_size) == (model.size, other.size)


def test_a_model_is_what_its_bytes_say(model: PieceModel) -> None:
    again = PieceModel(model.serialized)
    assert again.size == model.size
    assert again.encode("The dog sees the tree.") == model.encode("The dog sees the tree.")


@pytest.mark.parametrize("damaged", [b"", b"no model", b"\xff" * 500, bytes(500)])
def test_no_model(damaged: bytes) -> None:
    with pytest.raises(InvalidInputError):
        PieceModel(damaged)


@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_a_model_that_was_cut_short_is_refused(model: PieceModel, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(model.serialized) - 1))
    with pytest.raises(InvalidInputError):
        PieceModel(model.serialized[:length])


def test_a_vocabulary_that_the_corpus_cannot_give(tiny_sentences: list[str]) -> None:
    with pytest.raises(InvalidInputError, match=r"vocabulary\.size 270 does not fit the corpus"):
        train_piece_model(tiny_sentences, PieceModelOptions(size=270), languages=["de"])
    with pytest.raises(InvalidInputError, match=r"vocabulary\.size 300") as caught:
        train_piece_model([], PieceModelOptions(size=300), languages=["de"])
    assert "\n" not in str(caught.value)


def test_what_reading_the_corpus_raises_is_not_hidden(tiny_sentences: list[str]) -> None:
    def sentences() -> Iterator[str]:
        yield from tiny_sentences
        raise InvalidInputError("train.en, line 55: invalid UTF-8 at byte 3 of the line")

    with pytest.raises(InvalidInputError, match=r"^train\.en, line 55: invalid UTF-8 at byte 3 of the line$"):
        train_piece_model(sentences(), PieceModelOptions(size=400, type="bpe"), languages=["en"])


def test_training_takes_any_text(tiny_sentences: list[str]) -> None:
    odd = ["", " ", "\ud800 alone", "a\0b", "tab\there", "two\nlines", "▁ reserved", "x" * 20_000, "😀"]
    model = train_piece_model([*tiny_sentences, *odd], PieceModelOptions(size=340), languages=["de"])
    assert model.decode(model.encode("The dog")) == "The dog"


def test_a_piece_has_an_id_only_if_it_is_one(tiny_vocabulary: Vocabulary) -> None:
    model = tiny_vocabulary.source
    for piece_id in range(model.size):
        assert model.piece_id(model.pieces([piece_id])[0]) == piece_id
    assert [model.piece_id(piece) for piece in ("no such piece", "", "\ud800")] == [None, None, None]


@pytest.mark.parametrize(
    ("kind", "told"), [("unigram", "unigram"), ("bpe", "bpe"), ("char", "other"), ("word", "other")]
)
def test_the_type_is_told_of_any_model(kind: str, told: str, tiny_sentences: list[str]) -> None:
    output = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(tiny_sentences),
        model_writer=output,
        model_type=kind,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=PAD_ID,
        unk_id=UNK_ID,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        minloglevel=2,
    )
    assert PieceModel(output.getvalue()).type() == told


def test_pieces_that_stand_for_text_have_scores(model: PieceModel) -> None:
    scores = model.scores()
    assert not {PAD_ID, UNK_ID, BOS_ID, EOS_ID, model.tag_id("de")} & scores.keys()
    assert not any(re.fullmatch("<0x..>", piece) for piece in model.pieces([*scores]))
    assert {*model.encode("the dog")} <= scores.keys()
    assert max(scores.values()) <= 0

"""Vocabularies of other toolkits: their ids, special pieces and framing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.bundle import read_codec
from dragoman.model.codec import Frame
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import read_bytes
from dragoman.model.foreign_vocabulary import CODEC_FILE, ForeignSide, ForeignVocabulary, make_foreign_vocabulary
from dragoman.model.vocabulary import PieceModel, PieceModelOptions, train_piece_model

TEXTS = ["the sea is calm", "the ship is at sea", "das Meer ist ruhig", "das Schiff ist auf See"] * 4
EN_FR = Direction("en", "fr")


@pytest.fixture(scope="module")
def model() -> PieceModel:
    return train_piece_model(TEXTS, PieceModelOptions(size=80, byte_fallback=False), languages=[])


def listed(model: PieceModel) -> list[str]:
    """Pieces in another order than the model's, with a language piece, and without the model's last one."""
    texts = model.pieces(range(4, model.size))
    return ["</s>", "<unk>", ">>fra<<", ">>deu<<", *reversed(texts[:-1]), "<pad>"]


def make(model: PieceModel, **options: Any) -> ForeignVocabulary:
    pieces = listed(model)
    pad = len(pieces) - 1
    side = ForeignSide(model.serialized, pieces, unk_id=1, reserved=(0, 1, 2, 3, pad))
    given: dict[str, Any] = {"pad_id": pad, "start_id": pad, "eos_id": 0, "after": ["</s>"]}
    return make_foreign_vocabulary(side, side, **(given | options))


def save(vocabulary: ForeignVocabulary, folder: Path) -> Path:
    for name, content in vocabulary.files().items():
        (folder / name).write_bytes(content)
    return folder


def test_ids_are_those_of_the_list(model: PieceModel) -> None:
    side, pieces = make(model).source, listed(model)
    ids = side.encode("the sea")
    assert [pieces[piece] for piece in ids] == list(model.pieces(model.encode("the sea")))
    assert side.decode([*ids, 0]) == "the sea"
    assert side.encode_all(["the sea", ""]) == [ids, []]
    assert side.decode_all([ids, []]) == ["the sea", ""]


def test_what_the_list_lacks_is_unknown(model: PieceModel) -> None:
    side = make(model).source
    (lacking,) = model.pieces([model.size - 1])
    assert side.piece_id(lacking) is None
    assert 1 in side.encode(lacking.replace("▁", ""))


@pytest.mark.parametrize(
    ("framing", "frame"),
    [
        ({"after": ["</s>"]}, Frame(after=(0,))),
        ({"before": ["{target}"], "after": ["</s>"]}, Frame(before=(2,), after=(0,))),
        ({"before": ["{source}"], "after": ["</s>"], "target_prefix": ["{target}"]}, Frame((3,), (0,), (2,))),
        ({"after": ["</s>", "{source}"], "target_prefix": ["{target}"]}, Frame((), (0, 3), (2,))),
    ],
)
def test_framing(model: PieceModel, framing: dict[str, Any], frame: Frame) -> None:
    vocabulary = make(model, languages={"fr": ">>fra<<", "en": ">>deu<<"}, **framing)
    assert vocabulary.frame(EN_FR) == frame


def test_a_language_without_a_piece_is_refused(model: PieceModel) -> None:
    vocabulary = make(model, before=["{target}"], languages={"fr": ">>fra<<"})
    with pytest.raises(NotFoundError, match='no piece for the language "nl"'):
        vocabulary.frame(Direction("en", "nl"))


def test_special_ids_are_its_own_and_never_translated(model: PieceModel) -> None:
    vocabulary = make(model, banned=[5])
    pad = len(listed(model)) - 1
    assert (vocabulary.shape.pad_id, vocabulary.shape.start_id, vocabulary.shape.eos_id) == (pad, pad, 0)
    assert {1, 2, 3, 5, pad} <= set(vocabulary.forbidden_ids())
    assert 0 not in vocabulary.forbidden_ids()


def test_one_list_may_have_two_models(model: PieceModel, tmp_path: Path) -> None:
    other = train_piece_model(TEXTS[2:4], PieceModelOptions(size=40, byte_fallback=False), languages=[])
    pieces = [*listed(model), *other.pieces(range(4, other.size))]
    pieces = list(dict.fromkeys(pieces))
    sides = [ForeignSide(one.serialized, pieces, unk_id=1, reserved=(0, 1)) for one in (model, other)]
    vocabulary = make_foreign_vocabulary(*sides, pad_id=0, start_id=0, eos_id=0, after=["</s>"])
    assert vocabulary.shape.joint
    again = read_codec(save(vocabulary, tmp_path), joint=True, read_file=read_bytes)
    assert again.files() == vocabulary.files()
    assert sorted(again.files()) == ["codec.json", "source.model", "target.model", "vocabulary.pieces.json"]
    assert again.target.encode("das Meer") == vocabulary.target.encode("das Meer")


def test_a_model_s_own_ids_need_no_list(model: PieceModel, tmp_path: Path) -> None:
    side = ForeignSide(model.serialized, None, unk_id=1, reserved=(0, 1, 2, 3))
    vocabulary = make_foreign_vocabulary(side, side, pad_id=0, start_id=2, eos_id=3, after=["</s>"])
    again = read_codec(save(vocabulary, tmp_path), joint=True, read_file=read_bytes)
    assert sorted(again.files()) == ["codec.json", "vocabulary.model"]
    assert again.source.encode("the sea") == model.encode("the sea")


def test_pieces_that_spaces_separate(tmp_path: Path) -> None:
    source = ForeignSide(None, ["<unk>", "</s>", "آ", "ت"], unk_id=0, reserved=(0, 1))
    target = ForeignSide(None, ["<unk>", "<s>", "</s>", "a", "t"], unk_id=0, reserved=(0, 1, 2))
    vocabulary = make_foreign_vocabulary(source, target, pad_id=0, start_id=1, eos_id=2)
    again = read_codec(save(vocabulary, tmp_path), joint=False, read_file=read_bytes)
    assert again.source.encode("آ ت x") == [2, 3, 0]
    assert again.target.decode([3, 4, 2]) == "a t"
    assert again.target.pieces([3, 2]) == ("▁a", "</s>")
    assert again.target.piece_id("▁t") == 4
    assert again.frame(EN_FR) == Frame()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.update(banned=[4000]), "banned has ids beyond"),
        (lambda config: config.update(after=["</end>"]), 'the framing has the piece "</end>", which'),
        (lambda config: config["source"].update(model="../../x.model"), "source.model: Input should be"),
        (lambda config: config.update(strange=1), "strange: unknown key"),
        (lambda config: config["target"].update(unk_id=5000), "none with the id 5000"),
    ],
)
def test_damaged_files_are_named(
    model: PieceModel, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    folder = save(make(model), tmp_path)
    config = json.loads((folder / CODEC_FILE).read_text())
    change(config)
    (folder / CODEC_FILE).write_text(json.dumps(config))
    with pytest.raises(InvalidInputError, match=message):
        read_codec(folder, joint=True, read_file=read_bytes)


def test_a_list_that_is_none(model: PieceModel, tmp_path: Path) -> None:
    folder = save(make(model), tmp_path)
    (folder / "vocabulary.pieces.json").write_text('{"a": 1}')
    with pytest.raises(InvalidInputError, match=r"vocabulary\.pieces\.json: no list of pieces"):
        read_codec(folder, joint=True, read_file=read_bytes)

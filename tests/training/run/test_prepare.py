"""From files to text and a vocabulary."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, language_tag, train_piece_model
from dragoman.training.config import RunConfig
from dragoman.training.corpus.cache import ParallelFiles
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.run.prepare import (
    find_departures,
    load_vocabulary,
    make_vocabulary,
    read_run_text,
    save_vocabulary,
)
from dragoman.translation.batch.lines import read_lines
from tests.training.tiny import tiny_config

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
ENGLISH = ["The dog sees the house.", "The woman likes the tree."]
GERMAN = ["Der Hund sieht das Haus.", "Die Frau mag den Baum."]
FRENCH = ["Le chien voit la maison.", "La femme aime l'arbre."]


def read(part: ParallelFiles) -> ParallelText:
    source, target = (list(read_lines(file.path)) for file in (part.source, part.target))
    assert (part.source.num_lines, part.target.num_lines) == (len(source), len(target))
    return ParallelText(part.direction, source, target)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two sentences in three languages; their names by language."""
    paths = {}
    for language, sentences in (("en", ENGLISH), ("de", GERMAN), ("fr", FRENCH)):
        paths[language] = tmp_path / f"corpus.{language}"
        paths[language].write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return paths


def config_of(
    tmp_path: Path, files: dict[str, Path], *, data: dict[str, Any] | None = None, **vocabulary: Any
) -> RunConfig:
    values = {"directions": ["en-de", "de-en"], "train": [files], "dev": files} | (data or {})
    tied = "all" if vocabulary.get("joint", True) else "target"
    return tiny_config(
        tmp_path / "run", data=values, vocabulary={"size": 340} | vocabulary, architecture={"tied_embeddings": tied}
    )


def test_every_direction_gets_the_corpora_that_teach_it(tmp_path: Path, files: dict[str, Path]) -> None:
    corpora = [files, {code: files[code] for code in ("en", "de")}, {code: files[code] for code in ("fr", "en")}]
    data = {"directions": ["en-de", "de-en", "fr-en"], "train": corpora, "dev": files}

    text = read_run_text(config_of(tmp_path, files, data=data))

    french = ParallelText(Direction("fr", "en"), FRENCH, ENGLISH)
    german, back = ParallelText(EN_DE, ENGLISH, GERMAN), ParallelText(DE_EN, GERMAN, ENGLISH)
    assert [read(part) for part in text.train] == [german, back, french, german, back, french]
    assert text.dev == [german, back, french]


def test_a_corpus_may_count_several_times(tmp_path: Path, files: dict[str, Path]) -> None:
    data = {"train": [files, files | {"repeat": 3}]}
    text = read_run_text(config_of(tmp_path, files, data=data))
    assert [(part.direction, part.repeat) for part in text.train] == [(EN_DE, 1), (DE_EN, 1), (EN_DE, 3), (DE_EN, 3)]


def test_a_corpus_may_be_for_one_direction(tmp_path: Path, files: dict[str, Path]) -> None:
    data = {"train": [files, files | {"directions": ["de-en"]}]}
    text = read_run_text(config_of(tmp_path, files, data=data))
    assert [part.direction for part in text.train] == [EN_DE, DE_EN, DE_EN]


def test_languages_that_no_direction_names_are_not_read(tmp_path: Path, files: dict[str, Path]) -> None:
    files["fr"] = tmp_path / "missing.fr"
    assert [part.direction for part in read_run_text(config_of(tmp_path, files)).train] == [EN_DE, DE_EN]


def test_checksums_are_those_of_the_files(tmp_path: Path, files: dict[str, Path]) -> None:
    checksums = read_run_text(config_of(tmp_path, files)).checksums
    assert checksums == {
        str(files[language]): hashlib.sha256(files[language].read_bytes()).hexdigest() for language in ("en", "de")
    }


def test_a_missing_corpus_is_named(tmp_path: Path, files: dict[str, Path]) -> None:
    files["de"].unlink()
    with pytest.raises(NotFoundError, match=r"corpus\.de: no such file"):
        read_run_text(config_of(tmp_path, files))


def test_sides_of_different_length_are_named(tmp_path: Path, files: dict[str, Path]) -> None:
    files["de"].write_text("Der Hund sieht das Haus.\n")
    with pytest.raises(InvalidInputError, match=r"corpus\.de has 1 lines, but .*corpus\.en has 2"):
        read_run_text(config_of(tmp_path, files))


def test_what_a_run_does_otherwise_than_asked_is_said(tmp_path: Path, files: dict[str, Path]) -> None:
    config = config_of(tmp_path, files, size=5000)
    config = config.model_copy(
        update={"optimization": config.optimization.model_copy(update={"warmup_updates": 300, "max_updates": 200})}
    )
    vocabulary = make_vocabulary(config, read_run_text(config).train)
    assert find_departures(config, vocabulary) == [
        f"vocabulary.size asks for 5,000 pieces, but the corpus gives only {vocabulary.shape.source_size:,}",
        "optimization.warmup_updates is 300, but the run has only 200 updates: the learning rate never reaches its "
        "peak",
    ]


@pytest.mark.parametrize(("tokenize", "departures"), [("13a", 1), ("zh", 0)])
def test_a_tokenizer_that_does_not_find_the_words_is_said(
    tmp_path: Path, files: dict[str, Path], tokenize: str, departures: int
) -> None:
    data = {"directions": ["en-zh"], "train": [{"en": "a", "zh": "b"}], "dev": {"en": "a", "zh": "b"}}
    config = tiny_config(tmp_path, data=data, validation={"tokenize": tokenize}, initialization={"bundle": "en-de"})
    german = config_of(tmp_path, files)
    found = find_departures(config, make_vocabulary(german, read_run_text(german).train))
    assert len(found) == departures
    assert all('use tokenize "zh"' in line for line in found)


def test_a_joint_vocabulary_is_learnt_from_both_sides(tmp_path: Path, files: dict[str, Path]) -> None:
    config = config_of(tmp_path, files)
    vocabulary = make_vocabulary(config, read_run_text(config).train)

    assert vocabulary.shape.joint
    assert vocabulary.source.piece_id(language_tag("en")) is not None
    assert vocabulary.source.piece_id(language_tag("de")) is not None
    # Each file counts once, though two directions share it.
    expected = train_piece_model([*ENGLISH, *GERMAN], PieceModelOptions(size=340), languages=["en", "de"])
    assert vocabulary.source.serialized == expected.serialized


def test_a_vocabulary_of_much_text_is_learnt_from_every_nth_sentence(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("en", "de"):
        files[code].write_text("".join(f"sentence {number} of {code}\n" for number in range(90)))
    monkeypatch.setattr("dragoman.training.run.prepare.MAX_VOCABULARY_SENTENCES", 70)
    vocabulary = make_vocabulary(config := config_of(tmp_path, files), read_run_text(config).train)

    chosen = [f"sentence {number} of {code}" for code in ("en", "de") for number in range(0, 90, 3)]
    expected = train_piece_model(chosen, PieceModelOptions(size=340), languages=["en", "de"])
    assert vocabulary.source.serialized == expected.serialized


def test_separate_vocabularies_are_learnt_from_a_side_each(tmp_path: Path, files: dict[str, Path]) -> None:
    config = config_of(tmp_path, files, data={"directions": ["en-de"]}, joint=False, size=320)
    vocabulary = make_vocabulary(config, read_run_text(config).train)

    options = PieceModelOptions(size=320)
    assert not vocabulary.shape.joint
    assert vocabulary.source.serialized == train_piece_model(ENGLISH, options, languages=["en", "de"]).serialized
    assert vocabulary.target.serialized == train_piece_model(GERMAN, options, languages=["en", "de"]).serialized


def test_a_vocabulary_that_the_corpus_cannot_give_is_named(tmp_path: Path, files: dict[str, Path]) -> None:
    files["en"].write_text("".join(map(chr, range(0x4E00, 0x4F80))) + "\nmore characters than places\n", "utf-8")
    config = config_of(tmp_path, files, size=300, byte_fallback=False)
    with pytest.raises(InvalidInputError, match=r"vocabulary\.size 300 does not fit the corpus"):
        make_vocabulary(config, read_run_text(config).train)


def test_characters_without_room_are_spelt_in_bytes(tmp_path: Path, files: dict[str, Path]) -> None:
    files["en"].write_text("".join(map(chr, range(0x4E00, 0x4F80))) + "\nmore characters than places\n", "utf-8")
    config = config_of(tmp_path, files, size=330)
    vocabulary = make_vocabulary(config, read_run_text(config).train)
    assert vocabulary.source.decode(vocabulary.source.encode("\u4f7f")) == "\u4f7f"


@pytest.mark.parametrize("joint", [True, False])
def test_given_vocabularies_are_taken_as_they_are(
    tmp_path: Path, files: dict[str, Path], tiny_vocabulary: Vocabulary, joint: bool
) -> None:
    source, target = tmp_path / "a.model", tmp_path / "b.model"
    source.write_bytes(tiny_vocabulary.source.serialized)
    other = train_piece_model(GERMAN, PieceModelOptions(size=320), languages=["en", "de"])
    target.write_bytes(other.serialized)
    given: dict[str, Any] = {"source_file": source} if joint else {"source_file": source, "target_file": target}

    vocabulary = make_vocabulary(config_of(tmp_path, files, joint=joint, **given), [])

    assert vocabulary.shape.joint == joint
    assert vocabulary.source.serialized == tiny_vocabulary.source.serialized
    assert vocabulary.target.serialized == (tiny_vocabulary.source if joint else other).serialized


def test_a_given_vocabulary_without_a_tag_is_named(
    tmp_path: Path, files: dict[str, Path], tiny_vocabulary: Vocabulary
) -> None:
    path = tmp_path / "a.model"
    path.write_bytes(tiny_vocabulary.source.serialized)
    config = config_of(tmp_path, files, data={"directions": ["en-de", "en-fr"]}, source_file=path)
    with pytest.raises(InvalidInputError, match=r'a\.model: the vocabulary has no tag for the language "fr"'):
        make_vocabulary(config, [])


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [(None, NotFoundError, "no such file"), (b"no model", InvalidInputError, "not a SentencePiece model")],
)
def test_a_given_vocabulary_that_is_none_is_named_once(
    tmp_path: Path, files: dict[str, Path], content: bytes | None, error: type[DragomanError], message: str
) -> None:
    path = tmp_path / "a.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error) as caught:
        make_vocabulary(config_of(tmp_path, files, source_file=path), [])
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("joint", [True, False])
def test_a_saved_vocabulary_loads_as_it_was(tmp_path: Path, files: dict[str, Path], joint: bool) -> None:
    config = config_of(tmp_path, files, joint=joint, size=320)
    vocabulary = make_vocabulary(config, read_run_text(config).train)
    save_vocabulary(config, vocabulary)

    loaded = load_vocabulary(config)
    assert loaded.files() == vocabulary.files()
    assert loaded.shape.joint == joint


def test_a_run_that_has_lost_its_vocabulary_cannot_go_on(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(NotFoundError, match=r"run/vocabulary/vocabulary\.model: no such file"):
        load_vocabulary(config_of(tmp_path, files))

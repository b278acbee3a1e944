"""The bundle as a folder: whole again when read, replaced whole, and every damage told with the file's name."""

import ast
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dragoman.model.bundle
import dragoman.model.files
from dragoman.model.bundle import (
    CARD_FILE,
    CONFIG_FILE,
    WEIGHTS_FILE,
    BundleConfig,
    bundle_revision,
    find_bundle,
    read_config,
    read_vocabulary,
    shipped_bundles,
    size_on_disk,
    write_bundle,
)
from dragoman.model.config import Direction, VocabularyShape
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import write_atomically
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.translation.translator import Translator
from tests.architectures import transformer_shape

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that the test may damage."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Round trip


def test_reads_what_it_wrote(tiny_bundle: Path, tiny_vocabulary: Vocabulary, tmp_path: Path) -> None:
    config = read_config(tiny_bundle)
    assert (config.name, config.directions, config.storage) == ("tiny", (EN_DE, DE_EN), "int8")
    assert config.scores[0].direction == EN_DE
    assert config.vocabulary == tiny_vocabulary.shape
    assert names(tiny_bundle) == {CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, "vocabulary.model"}
    vocabulary = read_vocabulary(tiny_bundle, config)
    assert vocabulary.shape.joint
    assert vocabulary.source.serialized == tiny_vocabulary.source.serialized

    again = tmp_path / "again"
    write_bundle(again, config, vocabulary, (tiny_bundle / WEIGHTS_FILE).read_bytes(), "# tiny\n\nRandom weights.\n")
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in tiny_bundle.iterdir()
    }


def test_separate_vocabularies(tiny_bundle: Path, tiny_sentences: list[str], tmp_path: Path) -> None:
    source = train_piece_model(tiny_sentences[::2], PieceModelOptions(size=310), languages=["de"])
    target = train_piece_model(tiny_sentences[1::2], PieceModelOptions(size=305), languages=[])
    vocabulary = Vocabulary(source, target)
    whole = read_config(tiny_bundle)
    architecture = replace(transformer_shape(whole.architecture), tied_embeddings="target")
    config = replace(whole, vocabulary=vocabulary.shape, directions=(EN_DE,), architecture=architecture)
    write_bundle(tmp_path / "two", config, vocabulary, b"", "")
    assert names(tmp_path / "two") == {CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, "source.model", "target.model"}
    found = read_vocabulary(tmp_path / "two", read_config(tmp_path / "two"))
    assert (found.source.serialized, found.target.serialized) == (source.serialized, target.serialized)
    assert not found.shape.joint


def test_config_is_readable(tiny_bundle: Path) -> None:
    text = (tiny_bundle / CONFIG_FILE).read_text("utf-8")
    assert json.loads(text)["directions"] == [{"source": "en", "target": "de"}, {"source": "de", "target": "en"}]
    assert text.count("\n") > 20


def test_size_on_disk(tiny_bundle: Path) -> None:
    size = size_on_disk(tiny_bundle)
    assert size == sum(len(path.read_bytes()) for path in tiny_bundle.iterdir())
    num_parameters = read_config(tiny_bundle).num_parameters
    # A byte for a parameter, four for its row's scale or for a vector, and the rest for vocabulary, names and card.
    assert num_parameters < (tiny_bundle / WEIGHTS_FILE).stat().st_size < 2 * num_parameters + 8192


# Directions


def test_find_direction(tiny_bundle: Path) -> None:
    config = read_config(tiny_bundle)
    assert config.find_direction("en", "de") == EN_DE
    assert config.find_direction(None, "en") == DE_EN
    for source, target, wanted in [
        ("en", "fr", 'from "en" to "fr"'),
        (None, "fr", 'to "fr"'),
        ("fr", "de", 'from "fr" to "de"'),
        ("en", "en", 'from "en" to "en"'),
    ]:
        with pytest.raises(NotFoundError, match=f'"tiny" does not translate {wanted}; it knows en→de, de→en'):
            config.find_direction(source, target)
    several = replace(config, directions=(EN_DE, Direction("fr", "de")))
    with pytest.raises(InvalidInputError, match='"tiny" translates to "de" from several languages: en→de, fr→de'):
        several.find_direction(None, "de")
    assert several.find_direction("fr", "de") == Direction("fr", "de")


# Finding


@pytest.fixture
def shipped(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships two bundles and a folder that is none."""
    for name in ("de-fr", "en-de"):
        shutil.copytree(tiny_bundle, tmp_path / "shipped" / name)
    (tmp_path / "shipped" / "notes").mkdir()
    monkeypatch.setattr(dragoman.model.bundle, "SHIPPED_BUNDLES", tmp_path / "shipped")
    return tmp_path / "shipped"


def test_finds_by_path_and_by_name(shipped: Path, folder: Path) -> None:
    assert find_bundle(str(folder)) == folder
    assert find_bundle("en-de") == shipped / "en-de"
    assert shipped_bundles() == [shipped / "de-fr", shipped / "en-de"]


def test_a_folder_called_like_a_shipped_bundle_does_not_hide_it(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en-de").mkdir()
    assert find_bundle("en-de") == shipped / "en-de"
    assert find_bundle("./en-de") == Path("en-de")


def test_a_revision_tells_weights_apart(folder: Path) -> None:
    before = bundle_revision(folder)
    assert len(before) == 16
    (folder / CARD_FILE).write_text("# Another card\n")
    assert bundle_revision(folder) == before
    (folder / WEIGHTS_FILE).write_bytes(b"other weights")
    assert bundle_revision(folder) != before


@pytest.mark.parametrize("name", ["en-fr", "notes", "/no/such/folder", "en-de/../..x", "x" * 5000, "a\0b", ""])
def test_not_found_lists_what_is_at_hand(name: str, shipped: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_bundle(name)
    assert "one of those shipped (de-fr, en-de)" in str(caught.value)


def test_not_found_with_nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dragoman.model.bundle, "SHIPPED_BUNDLES", tmp_path / "nothing")
    with pytest.raises(NotFoundError, match=r"\(none\)"):
        find_bundle("en-de")


# Damage


def change_config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        values = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        change(values)
        (folder / CONFIG_FILE).write_text(json.dumps(values), "utf-8")

    return apply


def other_vocabulary(folder: Path) -> None:
    sentences = ["Another vocabulary of another size.", "Ein anderer Wortschatz."]
    options = PieceModelOptions(size=320, type="bpe")
    (folder / "vocabulary.model").write_bytes(train_piece_model(sentences, options, languages=["en", "de"]).serialized)


def folder_in_place_of_vocabulary(folder: Path) -> None:
    (folder / "vocabulary.model").unlink()
    (folder / "vocabulary.model").mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no config": (lambda folder: (folder / CONFIG_FILE).unlink(), CONFIG_FILE, "the bundle lacks this file"),
    "empty config": (lambda folder: (folder / CONFIG_FILE).write_bytes(b""), CONFIG_FILE, "Invalid JSON"),
    "no JSON": (lambda folder: (folder / CONFIG_FILE).write_bytes(b'{"name": '), CONFIG_FILE, "Invalid JSON"),
    "no UTF-8": (lambda folder: (folder / CONFIG_FILE).write_bytes(b"\xff\xfe{}"), CONFIG_FILE, "Invalid JSON"),
    "a list": (
        lambda folder: (folder / CONFIG_FILE).write_bytes(b"[]"),
        CONFIG_FILE,
        "should be a table, in JSON an object",
    ),
    "unknown key": (change_config(lambda c: c.update(nmae="x")), CONFIG_FILE, "nmae: unknown key"),
    "unknown nested key": (
        change_config(lambda c: c["architecture"].update(d_modell=8)),
        CONFIG_FILE,
        "architecture.d_modell: unknown key",
    ),
    "another version": (
        change_config(lambda c: c.update(format_version=2)),
        CONFIG_FILE,
        "format_version: Input should be 1",
    ),
    "wrong type": (
        change_config(lambda c: c["architecture"].update(d_ff="32")),
        CONFIG_FILE,
        "architecture.d_ff: Input should be a valid integer",
    ),
    "a number that would take all memory": (
        change_config(lambda c: c["architecture"].update(num_encoder_layers=10**9)),
        CONFIG_FILE,
        "architecture.num_encoder_layers: Input should be less than or equal to 256",
    ),
    "a vocabulary that would take all memory": (
        change_config(lambda c: c["vocabulary"].update(target_size=1 << 40)),
        CONFIG_FILE,
        "vocabulary.target_size: Input should be less than or equal to 4194304",
    ),
    "a special piece that is none": (
        change_config(lambda c: c["vocabulary"].update(eos_id=400)),
        CONFIG_FILE,
        "vocabulary: eos_id is 400, but there are 400 pieces",
    ),
    "special ids of another vocabulary": (
        change_config(lambda c: c["vocabulary"].update(eos_id=0, pad_id=3)),
        CONFIG_FILE,
        "vocabulary: has special ids that the vocabulary has not",
    ),
    "no name": (change_config(lambda c: c.pop("name")), CONFIG_FILE, "name: Field required"),
    "no direction": (change_config(lambda c: c.update(directions=[])), CONFIG_FILE, "directions: "),
    "one vocabulary cannot be tied to another": (
        change_config(lambda c: (c["vocabulary"].update(joint=False), c["architecture"].update(tied_embeddings="all"))),
        CONFIG_FILE,
        "tied_embeddings",
    ),
    "a language without tag": (
        change_config(lambda c: c["directions"].append({"source": "en", "target": "fr"})),
        "vocabulary.model",
        'has no tag for the language "fr"',
    ),
    "no vocabulary": (
        lambda folder: (folder / "vocabulary.model").unlink(),
        "vocabulary.model",
        "the bundle lacks this file",
    ),
    "empty vocabulary": (lambda folder: (folder / "vocabulary.model").write_bytes(b""), "vocabulary.model", "ids"),
    "no vocabulary model": (
        lambda folder: (folder / "vocabulary.model").write_bytes(b"x" * 999),
        "vocabulary.model",
        "not a SentencePiece model",
    ),
    "another vocabulary": (other_vocabulary, "vocabulary.model", "pieces, but config.json says"),
    "a folder in place of a file": (
        folder_in_place_of_vocabulary,
        "vocabulary.model",
        "cannot be read: Is a directory",
    ),
    "no weights": (lambda folder: (folder / WEIGHTS_FILE).unlink(), WEIGHTS_FILE, "the bundle lacks this file"),
    "weights cut short": (
        lambda folder: (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-1]),
        WEIGHTS_FILE,
        "damaged or cut short",
    ),
    "another shape": (
        change_config(lambda c: c["architecture"].update(d_ff=33)),
        WEIGHTS_FILE,
        r"has the shape [32, 16], but [33, 16] is due",
    ),
    "one layer more": (
        change_config(lambda c: c["architecture"].update(num_decoder_layers=2)),
        WEIGHTS_FILE,
        "lacks the tensor decoder_layers.1.",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_names_the_file_and_what_is_wrong(kind: str, folder: Path) -> None:
    damage, file, message = DAMAGE[kind]
    damage(folder)
    with pytest.raises(InvalidInputError) as caught:
        Translator.load(folder)
    assert str(caught.value).startswith(f"{folder / file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ": : " not in str(caught.value)


def test_a_card_is_no_need(folder: Path) -> None:
    (folder / CARD_FILE).unlink()
    assert Translator.load(folder).name == "tiny"


# Writing


@pytest.fixture
def parts(tiny_bundle: Path, tiny_vocabulary: Vocabulary) -> tuple[BundleConfig, Vocabulary, bytes]:
    return read_config(tiny_bundle), tiny_vocabulary, (tiny_bundle / WEIGHTS_FILE).read_bytes()


def test_an_older_bundle_is_replaced_whole(folder: Path, parts: tuple[BundleConfig, Vocabulary, bytes]) -> None:
    (folder / "source.model").write_bytes(b"from an older bundle")
    for leftover in ("bundle.new", "bundle.old"):
        (folder.parent / leftover).mkdir()
        (folder.parent / leftover / "half").write_bytes(b"of a run that was killed")
    write_bundle(folder, *parts, "# New\n")
    assert names(folder) == {CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, "vocabulary.model"}
    assert (folder / CARD_FILE).read_text() == "# New\n"
    assert names(folder.parent) == {"bundle"}


def test_a_bundle_set_aside_by_a_kill_comes_back(
    folder: Path, parts: tuple[BundleConfig, Vocabulary, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / WEIGHTS_FILE).read_bytes()
    folder.rename(folder.with_name("bundle.old"))  # killed between the two renames

    def fail(path: Path, content: bytes | str) -> None:
        raise DragomanError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(dragoman.model.bundle, "write_atomically", fail)
    with pytest.raises(DragomanError, match="No space left"):
        write_bundle(folder, *parts, "# New\n")
    assert (folder / WEIGHTS_FILE).read_bytes() == before


def test_a_folder_that_is_no_bundle_is_not_replaced(
    tmp_path: Path, parts: tuple[BundleConfig, Vocabulary, bytes]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("words")
    with pytest.raises(DragomanError, match="thesis: exists and is no bundle"):
        write_bundle(tmp_path / "thesis", *parts, "")
    assert (tmp_path / "thesis" / "chapter1").read_text() == "words"


@pytest.mark.parametrize("failing", [WEIGHTS_FILE, "vocabulary.model"])
def test_a_full_disk_leaves_the_older_bundle(
    failing: str, folder: Path, parts: tuple[BundleConfig, Vocabulary, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(path: Path, content: bytes | str) -> None:
        if path.name == failing:
            raise DragomanError(f"{path}: cannot be written: No space left on device")
        write_atomically(path, content)

    monkeypatch.setattr(dragoman.model.bundle, "write_atomically", fail)
    with pytest.raises(DragomanError, match=f"{failing}: cannot be written: No space left on device"):
        write_bundle(folder, *parts, "# New\n")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(folder.parent) == {"bundle"}  # a full disk is not left with half a bundle


def test_when_the_new_bundle_cannot_take_the_place_the_older_one_stays(
    folder: Path, parts: tuple[BundleConfig, Vocabulary, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail_once(path: Path, target: Path) -> Path:
        if path.name == "bundle.new":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(dragoman.model.files, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(DragomanError, match="bundle: the bundle cannot be written: Permission denied"):
        write_bundle(folder, *parts, "# New\n")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_no_pickle_on_the_load_path() -> None:
    """No module of the room imports pickle or calls what unpickles; safetensors and SentencePiece hold data alone. What
    a process and those that it started itself tell each other is not loaded from anywhere. Importing a foreign format
    is not loading a bundle: there NumPy and torch read arrays, and must be told to refuse everything else."""
    room = Path(dragoman.model.bundle.__file__).parent
    for path in set(room.rglob("*.py")) - set((room / "decoding" / "engines" / "replicas").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                imported.append(node.module or "")
            assert not {name.split(".")[0] for name in imported} & {"pickle", "cloudpickle", "dill", "joblib"}, path
            call = ast.unparse(node) if isinstance(node, ast.Call) else ""
            if call.startswith(("torch.load(", "numpy.load(", "np.load(")):
                assert path.parent.name == "foreign", path
                assert "weights_only=True" in call or "allow_pickle=False" in call, path


def test_sizes_of_a_joint_vocabulary_agree(tiny_bundle: Path) -> None:
    shape = read_config(tiny_bundle).vocabulary
    assert shape == VocabularyShape(source_size=shape.source_size, target_size=shape.source_size, joint=True)


def test_a_bundle_from_before_special_ids_were_stated_has_those_of_our_vocabularies(folder: Path) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    stated = {name: config["vocabulary"].pop(name) for name in ("pad_id", "unk_id", "start_id", "eos_id")}
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    assert stated == {"pad_id": 0, "unk_id": 1, "start_id": 2, "eos_id": 3}
    assert read_vocabulary(folder, read_config(folder)).shape == read_config(folder).vocabulary

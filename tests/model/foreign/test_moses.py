"""Models whose texts Moses' tokenizer and subword-nmt cut, beside ctranslate2 fed by these tools."""

import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from dragoman.model.bundle import read_config, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.foreign import moses
from dragoman.model.foreign.importing import import_model
from dragoman.model.foreign.model import ImportOptions
from dragoman.model.network.storage import load_network
from dragoman.training.card import model_card
from dragoman.translation.translator import Translator
from tests.model.foreign.test_ctranslate2 import save_spec, spec_of
from tests.reference_beam import reference_beam_search

TEXTS = [
    "The ship's sails aren't white, are they?",
    'He said: "It costs $3.50 (or less)."',
    "Well-known sailors & their U.S. ships |1| sail...",
    "a“quoted”word, Mr. Smith — and more!",
]


def tokens_of(text: str, language: str) -> list[str]:
    tokens: list[str] = MosesTokenizer(language).tokenize(MosesPunctNormalizer(language).normalize(text))
    return tokens


@pytest.fixture(scope="module")
def codes() -> str:
    learnt = io.StringIO()
    words = " ".join(token for text in TEXTS * 3 for token in tokens_of(text, "en"))
    learn_bpe(io.StringIO(words), learnt, 40)
    return learnt.getvalue()


@pytest.fixture(scope="module")
def folder(codes: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights whose vocabulary lacks some pieces."""
    counts = Counter(piece for text in TEXTS for piece in BPE(io.StringIO(codes)).segment_tokens(tokens_of(text, "en")))
    pieces = ["<unk>", "<s>", "</s>", *[piece for piece, _ in counts.most_common()][:-2]]
    made = tmp_path_factory.mktemp("moses") / "model"
    save_spec(spec_of(np.random.RandomState(4), len(pieces)), made, pieces, b"")
    (made / "sentencepiece.model").unlink()
    (made / "bpe.model").write_text(codes, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def package(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("argos") / "en_de.argosmodel"
    with zipfile.ZipFile(path, "w") as archive:
        facts = {"package_version": "1.0", "from_code": "en", "to_code": "de"}
        archive.writestr("en_de/metadata.json", json.dumps(facts))
        for file in folder.iterdir():
            archive.write(file, f"en_de/{'' if file.name == 'bpe.model' else 'model/'}{file.name}")
    return path


def test_ids_are_those_of_the_tools_and_texts_come_back(package: Path, codes: str, tmp_path: Path) -> None:
    import_model(package, tmp_path / "bundle", ImportOptions(), model_card)
    info = read_config(tmp_path / "bundle")
    vocabulary = read_vocabulary(tmp_path / "bundle", info)
    merges, listed = BPE(io.StringIO(codes)), vocabulary.source
    for text in TEXTS:
        due = merges.segment_tokens(tokens_of(text, "en"))
        assert listed.encode(text) == [0 if (found := listed.piece_id(piece)) is None else found for piece in due]
    ids = vocabulary.target.encode(TEXTS[1])
    assert vocabulary.target.decode(ids) == 'He said: "It costs $3.50 (or less)."'
    assert vocabulary.target.decode([]) == ""


def test_n_best_lists_are_those_of_ctranslate2(package: Path, folder: Path, codes: str, tmp_path: Path) -> None:
    """The oracle, which our engine is compared with elsewhere, without forbidden pieces, as CTranslate2."""
    import_model(package, tmp_path / "bundle", ImportOptions(), model_card)
    info = read_config(tmp_path / "bundle")
    vocabulary, network = read_vocabulary(tmp_path / "bundle", info), load_network(tmp_path / "bundle", info)
    theirs = ctranslate2.Translator(str(folder), compute_type="float32", inter_threads=1, intra_threads=1)
    merges, detokenizer = BPE(io.StringIO(codes)), MosesDetokenizer("de")
    written = vocabulary.target.own_pieces()  # type: ignore[attr-defined]
    for text in TEXTS:
        pieces = merges.segment_tokens(tokens_of(text, "en"))
        (due,) = theirs.translate_batch(
            [pieces], beam_size=3, num_hypotheses=3, length_penalty=1e-9, max_decoding_length=10
        )
        source_ids = vocabulary.frame(Direction("en", "de")).enclose(vocabulary.source.encode(text))
        ours = reference_beam_search(network, source_ids, SearchOptions(beam_size=3, n_best=3, length_penalty=0.0), 10)
        assert [[written[one] for one in found.token_ids] for found in ours] == due.hypotheses
        for found, hypothesis in zip(ours, due.hypotheses, strict=True):
            joined = " ".join(word for word in hypothesis if word not in ("<unk>", "<s>", "</s>"))
            tokens = joined.replace("@@ ", "").removesuffix("@@").split(" ")
            assert vocabulary.target.decode(found.token_ids) == detokenizer.detokenize(tokens)


def test_a_bundle_translates(package: Path, tmp_path: Path) -> None:
    import_model(package, tmp_path / "bundle", ImportOptions(), model_card)
    translations = Translator.load(tmp_path / "bundle", num_threads=1).translate(TEXTS, "de", return_attention=True)
    assert [bool(translation.text) for translation in translations] == [True] * len(TEXTS)


def test_a_folder_needs_its_languages(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"bpe\.model: .* give --from$"):
        import_model(folder, tmp_path / "bundle", ImportOptions(), model_card)
    import_model(folder, tmp_path / "bundle", ImportOptions(sources=("en",), targets=("de",)), model_card)
    assert (tmp_path / "bundle" / "vocabulary.codes").exists()


@pytest.mark.parametrize("content", ["", "a\n", "a b c\n", "#version: 0.2\na b\nc\n"])
def test_damaged_codes(content: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^x: merge \d is not of two parts"):
        moses.MosesWords(content.encode(), "en", "x")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, codes: str) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sacremoses", None)
    with pytest.raises(DragomanError, match=r"^x: .* pip install 'dragoman\[moses\]'$"):
        moses.MosesWords(codes.encode(), "en", "x")


def test_memory_of_tokens_is_bounded(codes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moses, "MAX_REMEMBERED", 10)
    words = moses.MosesWords(codes.encode(), "en", "x")
    for number in range(100):
        words.split(f"word{number}")
    assert len(words._merges.cache) <= 12

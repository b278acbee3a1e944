"""What a bundle keeps of its training text beside the weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dragoman.model.bundle import read_config
from dragoman.model.config import Direction
from dragoman.model.known_words import NO_KNOWN_WORDS, KnownWords, read_known_words
from dragoman.training.config import load_run_config
from dragoman.training.corpus import known_words
from dragoman.training.corpus.cache import CachedCorpus, ParallelFiles
from dragoman.training.corpus.text_file import inspect_text
from dragoman.training.run import lessons
from dragoman.training.run.initialization import InitialBundle
from dragoman.training.run.lessons import MIN_FLUENT_LENGTH, learn_fluent_length, learn_words
from dragoman.training.run.training_run import train
from tests.training.tiny import write_config

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
RUN = """
[data]
directions = ["en-de", "de-en"]
max_length = 40
train = [{ en = "corpus/train.en", de = "corpus/train.de" }]
dev = { en = "corpus/dev.en", de = "corpus/dev.de" }
[vocabulary]
size = 400
[architecture]
d_model = 16
d_ff = 32
num_heads = 2
num_encoder_layers = 1
num_decoder_layers = 1
max_source_length = 64
max_target_length = 64
[optimization]
max_updates = 1
batch_tokens = 256
[validation]
max_sentences = 2
beam_size = 1
[averaging]
checkpoints = 1
"""


def corpus_of(folder: Path, num_pairs: int) -> list[ParallelFiles]:
    """Both directions of one corpus."""
    paths = {"en": folder / "a.en", "de": folder / "a.de"}
    paths["en"].write_text("".join(f"the dog{'abcdefghij'[n % 10]} barks\n" for n in range(num_pairs)))
    paths["de"].write_text("".join(f"der Hund bellt{'abcdefghij'[n % 10]}\n" for n in range(num_pairs)))
    files = {language: inspect_text(path) for language, path in paths.items()}
    return [ParallelFiles(way, files[way.source], files[way.target]) for way in (EN_DE, DE_EN)]


def initial(words: KnownWords = NO_KNOWN_WORDS, fluent_length: int | None = None) -> InitialBundle:
    return cast(InitialBundle, SimpleNamespace(known_words=words, info=SimpleNamespace(fluent_length=fluent_length)))


def test_a_corpus_of_some_size_teaches_the_words_of_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = corpus_of(tmp_path, 40)
    assert learn_words(files, None) == NO_KNOWN_WORDS
    monkeypatch.setattr(lessons, "MIN_PAIRS", 41)
    assert learn_words(files, None) == NO_KNOWN_WORDS  # both directions have the same pairs
    monkeypatch.setattr(lessons, "MIN_PAIRS", 40)
    words = learn_words(files, None)
    assert words.knows("doga", "en")
    assert words.knows("Hund", "de")
    assert not words.knows("Hund", "en")
    monkeypatch.setattr(known_words, "MAX_COUNTED", 4)
    thinned = learn_words(files, None)
    assert (thinned.knows("doga", "en"), thinned.knows("dogb", "en")) == (True, False)


def test_a_run_adds_words_to_those_of_its_initial_bundle_if_it_has_any(tmp_path: Path) -> None:
    files = corpus_of(tmp_path, 1)
    assert learn_words(files, initial()) == NO_KNOWN_WORDS  # nobody has counted which words it knows
    paths = files[0].source.path, files[0].target.path
    paths[0].write_text("The dog of Docker and Priya.\n")
    paths[1].write_text("Der Hund von Hafenarbeiter und Priya.\n")
    before = KnownWords.of({"en": ["house"]}, {"en": ["Docker", "Tom"]}, {"en": ["French"]})
    words = learn_words(files, initial(before))
    assert all(words.knows(word, "en") for word in ("house", "dog"))
    assert words.knows("Hafenarbeiter", "de")
    assert [words.copies(name, "en") for name in ("Tom", "Priya", "Docker")] == [True, True, False]
    assert words.is_proper("French", "en")


@pytest.mark.parametrize(
    ("longest", "before", "wanted"),
    [(40, None, 40), (5, None, MIN_FLUENT_LENGTH), (40, initial(), None), (40, initial(fluent_length=30), 30)],
)
def test_sentences_as_long_as_those_of_training_stay_whole(
    longest: int, before: InitialBundle | None, wanted: int | None
) -> None:
    class Corpus:
        def length_of_share(self, share: float) -> int:
            assert share == 0.99
            return longest

    assert learn_fluent_length(cast(CachedCorpus, Corpus()), before) == wanted


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    write_config(path, RUN)
    return path


def test_the_best_bundle_has_words_and_length(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "MIN_PAIRS", 100)
    best = train(load_run_config(config_path, [f"run_folder={config_path.parent / 'run'}"]))
    words = read_known_words(best)
    sentence = (config_path.parent / "corpus/train.de").read_text().split()
    assert all(words.knows(word.strip(".,"), "de") for word in sentence[:5])
    assert words.has("en")
    length = read_config(best).fluent_length
    assert length is not None
    assert MIN_FLUENT_LENGTH <= length <= 40


def test_a_small_corpus_leaves_no_words(config_path: Path) -> None:
    best = train(load_run_config(config_path, [f"run_folder={config_path.parent / 'run'}"]))
    assert not (best / "words.safetensors").exists()

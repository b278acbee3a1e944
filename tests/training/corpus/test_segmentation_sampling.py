"""Sampled segmentations: always of the same text, as likely as the papers say, and drawn by the seed alone."""

import io
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import sentencepiece

from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import PieceModel, PieceModelOptions, Vocabulary, train_piece_model
from dragoman.training.corpus.pairs import EncodedSide
from dragoman.training.corpus.segmentation_sampling import SegmentationSampler
from tests.pieces import BOS_ID, EOS_ID, PAD_ID, UNK_ID

WORDS = [f"{first}{last}" for first in ("sing", "walk", "talk", "think") for last in ("", "s", "ing", "er", "ers")]


@pytest.fixture(scope="module")
def unigram() -> PieceModel:
    options = PieceModelOptions(size=320, byte_fallback=True)
    return train_piece_model([" ".join(WORDS[i:] + WORDS[:i]) for i in range(20)], options, languages=["en"])


def usual(model: PieceModel, texts: list[str]) -> EncodedSide:
    return EncodedSide.pack(model.encode_all(texts))


def sequences(side: EncodedSide) -> list[list[int]]:
    return [pieces.tolist() for pieces in np.split(side.pieces, side.offsets[1:-1])]


def sample(
    model: PieceModel, texts: list[str], alpha: float, *, seed: int = 1, max_length: int = 10_000
) -> list[list[int]]:
    sampler = SegmentationSampler(model, alpha)
    return sequences(sampler.sample(usual(model, texts), Random(seed), max_length=max_length))


def segmentations(processor: sentencepiece.SentencePieceProcessor, text: str) -> Iterator[tuple[int, ...]]:
    """All ways to write a text with pieces."""
    if not text:
        yield ()
    for end in range(1, len(text) + 1):
        piece = processor.piece_to_id(text[:end])
        if piece != processor.unk_id():
            yield from ((piece, *rest) for rest in segmentations(processor, text[end:]))


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_samples_are_segmentations_of_the_text(
    unigram: PieceModel, tiny_vocabulary: Vocabulary, tiny_sentences: list[str], alpha: float
) -> None:
    # Among them characters that are bytes, and what looks like a script without spaces.
    odd = ["a 水 singers", "Ünder the dog", "🎉", "singersthinkers" * 10]
    for model, texts in ((unigram, [*WORDS, *odd]), (tiny_vocabulary.source, [*tiny_sentences, *odd])):
        sampled = sample(model, texts, alpha)
        assert [model.decode(pieces) for pieces in sampled] == [model.decode(model.encode(text)) for text in texts]
        assert sampled != model.encode_all(texts)


def test_what_is_drawn_hangs_on_the_seed_alone(unigram: PieceModel) -> None:
    first = sample(unigram, WORDS * 5, 0.2)
    assert sample(unigram, WORDS * 5, 0.2) == first
    assert sample(unigram, WORDS * 5, 0.2, seed=2) != first

    warm = SegmentationSampler(unigram, 0.2)
    for _ in range(2):  # what it remembers of words changes nothing
        assert sequences(warm.sample(usual(unigram, WORDS * 5), Random(1), max_length=100)) == first


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_every_process_draws_the_same(
    unigram: PieceModel, tiny_vocabulary: Vocabulary, tmp_path: Path, kind: str
) -> None:
    """Or no run could be resumed, and the processes of a run would read other pairs."""
    model = unigram if kind == "unigram" else tiny_vocabulary.source
    (tmp_path / "vocabulary.model").write_bytes(model.serialized)
    program = (
        "import sys; from pathlib import Path\n"
        "from dragoman.model.vocabulary import PieceModel\n"
        "from tests.training.corpus.test_segmentation_sampling import WORDS, sample\n"
        "print(sample(PieceModel(Path(sys.argv[1]).read_bytes()), WORDS * 5, 0.2))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "vocabulary.model")]
    root = Path(__file__).parents[3]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str(sample(model, WORDS * 5, 0.2))


def test_the_likeliest_segmentation_is_sentencepiece_s(
    unigram: PieceModel, tiny_vocabulary: Vocabulary, tiny_sentences: list[str]
) -> None:
    assert sample(unigram, WORDS, 1e6) == unigram.encode_all(WORDS)  # any difference in probability is decisive
    model = tiny_vocabulary.source
    assert sample(model, tiny_sentences, 1e-9) == model.encode_all(tiny_sentences)  # no merge is left out


def test_unigram_segmentations_come_as_often_as_their_smoothed_probability_says(unigram: PieceModel) -> None:
    """Equation 9 of Kudo (2018), over all segmentations of a word."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=unigram.serialized)
    alpha, num_samples = 0.3, 20_000
    weights = {
        pieces: math.exp(alpha * sum(map(processor.get_score, pieces)))
        for pieces in segmentations(processor, "▁singers")
    }
    assert len(weights) > 3

    counts = Counter(map(tuple, sample(unigram, ["singers"] * num_samples, alpha)))

    assert set(counts) <= set(weights)
    for pieces, weight in weights.items():
        expected = weight / sum(weights.values())
        assert abs(counts[pieces] / num_samples - expected) < 5 * math.sqrt(expected / num_samples) + 1e-3


@pytest.mark.parametrize(("alpha", "at_most"), [(0.1, 0.5), (0.5, 0.95)])
def test_bpe_dropout_leaves_out_more_merges_the_higher_it_is(
    tiny_vocabulary: Vocabulary, tiny_sentences: list[str], alpha: float, at_most: float
) -> None:
    model = tiny_vocabulary.source
    texts = tiny_sentences * 20
    merged = sum(map(len, model.encode_all(texts)))
    characters = sum(len(f"▁{text}") for text in texts)

    sampled = sum(map(len, sample(model, texts, alpha)))

    share = (sampled - merged) / (characters - merged)  # 0: all merges are made; 1: none
    assert alpha / 4 < share < at_most
    assert sum(map(len, sample(model, texts, 1.0))) == characters


def test_bpe_dropout_is_as_random_as_sentencepiece_s(tiny_vocabulary: Vocabulary, tiny_sentences: list[str]) -> None:
    """Both draw each merge by itself, but for the order of their random numbers."""
    model, texts = tiny_vocabulary.source, tiny_sentences * 40
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.serialized)
    expected = sum(map(len, processor.encode(texts, enable_sampling=True, nbest_size=-1, alpha=0.2)))
    assert sum(map(len, sample(model, texts, 0.2))) == pytest.approx(expected, rel=0.02)


def test_what_is_too_long_keeps_its_usual_segmentation(unigram: PieceModel) -> None:
    texts = WORDS * 10
    best = unigram.encode_all(texts)
    max_length = max(map(len, best))

    unbounded = sample(unigram, texts, 0.1)

    assert max(map(len, unbounded)) > max_length
    assert sample(unigram, texts, 0.1, max_length=max_length) == [
        long if len(long) <= max_length else short for long, short in zip(unbounded, best, strict=True)
    ]


def test_a_vocabulary_that_cannot_sample_is_told() -> None:
    characters = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS),
        model_writer=characters,
        model_type="char",
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=PAD_ID,
        unk_id=UNK_ID,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        minloglevel=2,
    )
    with pytest.raises(InvalidInputError, match="the vocabulary cannot sample segmentations: it is neither"):
        SegmentationSampler(PieceModel(characters.getvalue()), 0.1)

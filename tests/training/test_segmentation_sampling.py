"""Sampled segmentations: always of the same text, as likely as the papers say, and drawn by the seed alone."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import sentencepiece

from model.errors import InvalidInputError
from model.vocabulary import PieceModel, PieceModelOptions, Vocabulary, train_piece_model
from training.corpus import EncodedSide
from training.segmentation_sampling import map_seeded, sample_segmentations

WORDS = [f"{first}{last}" for first in ("sing", "walk", "talk", "think") for last in ("", "s", "ing", "er", "ers")]


@pytest.fixture(scope="module")
def unigram() -> PieceModel:
    options = PieceModelOptions(size=320, byte_fallback=True)
    return train_piece_model([" ".join(WORDS[i:] + WORDS[:i]) for i in range(20)], options, languages=["en"])


def usual(model: PieceModel, texts: list[str]) -> EncodedSide:
    return EncodedSide.pack(model.encode_all(texts))


def sequences(side: EncodedSide) -> list[list[int]]:
    return [pieces.tolist() for pieces in np.split(side.pieces, side.offsets[1:-1])]


def sample_seeded(model: PieceModel, tasks: list[list[str]], seed: tuple[int, ...]) -> list[list[list[int]]]:
    return map_seeded(lambda texts: model.sample_all(texts, 0.2), tasks, seed=seed)


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
    for model, texts in ((unigram, WORDS), (tiny_vocabulary.source, tiny_sentences)):
        sampled = model.sample_all(texts, alpha)
        assert [model.decode(pieces) for pieces in sampled] == texts
        assert sampled != model.encode_all(texts)


def test_what_is_drawn_hangs_on_the_seed_and_the_task_alone(
    unigram: PieceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SentencePiece keeps a generator for each thread: had it gone on from what the thread drew before, or were there
    as many generators as processors, no run could be resumed."""
    tasks = [WORDS * 5, WORDS[3:] * 5, WORDS[::-1] * 5, ["a few others"]]
    first = sample_seeded(unigram, tasks, (1, 0, 0))

    unigram.sample_all(WORDS * 3, 0.5)
    sample_seeded(unigram, tasks, (9,))
    assert sample_seeded(unigram, tasks, (1, 0, 0)) == first
    assert sample_seeded(unigram, tasks[::-1], (1, 0, 0)) == first[::-1]
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    for _ in range(3):
        assert sample_seeded(unigram, tasks, (1, 0, 0)) == first
    for other in ((1, 0, 1), (1, 1, 0), (2, 0, 0)):
        assert sample_seeded(unigram, tasks, other) != first


def test_unigram_segmentations_come_as_often_as_their_smoothed_probability_says(unigram: PieceModel) -> None:
    """Equation 9 of Kudo (2018), over all segmentations of a word."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=unigram.serialized)
    alpha, num_samples = 0.3, 20_000
    weights = {
        pieces: math.exp(alpha * sum(map(processor.get_score, pieces)))
        for pieces in segmentations(processor, "▁singers")
    }
    assert len(weights) > 3

    counts = Counter(map(tuple, unigram.sample_all(["singers"] * num_samples, alpha)))

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

    sampled = sum(map(len, model.sample_all(texts, alpha)))

    share = (sampled - merged) / (characters - merged)  # 0: all merges are made; 1: none
    assert alpha / 4 < share < at_most
    assert sum(map(len, model.sample_all(texts, 1.0))) == characters


def test_what_is_too_long_keeps_its_usual_segmentation(unigram: PieceModel) -> None:
    texts = WORDS * 10
    best = usual(unigram, texts)
    max_length = int(best.lengths.max())

    [sampled] = map_seeded(
        lambda texts: sample_segmentations(texts, best, unigram, alpha=0.1, max_length=max_length), [texts], seed=(1,)
    )
    [unbounded] = map_seeded(
        lambda texts: sample_segmentations(texts, best, unigram, alpha=0.1, max_length=1000), [texts], seed=(1,)
    )

    assert int(unbounded.lengths.max()) > max_length
    assert sequences(sampled) == [
        long if len(long) <= max_length else short
        for long, short in zip(sequences(unbounded), sequences(best), strict=True)
    ]


def test_a_vocabulary_that_cannot_sample_is_told(unigram: PieceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def encode(self, texts: list[str], **_: object) -> list[list[int]]:
            raise RuntimeError("SampleEncode is not supported")

    monkeypatch.setattr(unigram, "_processor", Refusing())
    with pytest.raises(InvalidInputError, match="the vocabulary cannot sample segmentations: SampleEncode is not"):
        unigram.sample_all(["text"], 0.1)

"""Translating with a vocabulary that is not SentencePiece's, with other special ids, frames and language pieces."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from dragoman.model.bundle import BundleConfig, read_config
from dragoman.model.codec import Frame
from dragoman.model.config import ArchitectureConfig, Direction, VocabularyShape
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Event, Finished
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import NotFoundError
from dragoman.model.network.transformer import Transformer
from dragoman.translation.scoring.scorer import Scorer
from dragoman.translation.translator import Translator
from tests.conftest import EN_DE
from tests.reference_beam import reference_search

WORDS = ["</s>", "<unk>", *(f"▁word{number}" for number in range(30)), "__de__", "<start>", "<pad>"]
UNK, DE, START, PAD = 1, 32, 33, 34
SHAPE = VocabularyShape(source_size=35, target_size=35, joint=True, pad_id=PAD, unk_id=UNK, start_id=START, eos_id=0)


class Words:
    """A `Side`: one piece a word."""

    size, unk_id, serialized = len(WORDS), UNK, "\n".join(WORDS).encode()

    def encode(self, text: str) -> list[int]:
        pieces = [f"▁{word}" for word in text.split()]
        return [WORDS.index(piece) if piece in WORDS else UNK for piece in pieces]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(WORDS[piece].removeprefix("▁") for piece in ids if WORDS[piece].startswith("▁"))

    def decode_all(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        return [self.decode(ids) for ids in sequences]

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(WORDS[piece] for piece in ids)

    def piece_id(self, piece: str) -> int | None:
        return WORDS.index(piece) if piece in WORDS else None

    def type(self) -> Literal["unigram", "bpe", "other"]:
        return "other"

    def scores(self) -> dict[int, float]:
        return {}


class WordCodec:
    """A `Codec` of the kind that M2M100 has: nothing before a source, a language piece first in the target."""

    source = target = Words()
    shape = SHAPE

    def frame(self, direction: Direction) -> Frame:
        if direction.target != "de":
            raise NotFoundError(f"no language piece for {direction.target}")
        return Frame(after=(0,), target=(DE,))

    def forbidden_ids(self) -> list[int]:
        return [UNK, DE, START, PAD]

    def files(self) -> Mapping[str, bytes]:
        return {"words.txt": "\n".join(WORDS).encode()}


@pytest.fixture(scope="module")
def network() -> Transformer:
    torch.manual_seed(0)
    architecture = ArchitectureConfig(
        d_model=16,
        d_ff=24,
        num_heads=2,
        d_key=8,
        d_value=8,
        num_encoder_layers=1,
        num_decoder_layers=1,
        max_source_length=20,
        max_target_length=20,
    )
    network = Transformer(architecture, SHAPE).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return network


@pytest.fixture(scope="module")
def info(network: Transformer, tiny_bundle: Path) -> BundleConfig:
    return replace(read_config(tiny_bundle), architecture=network.config, vocabulary=SHAPE, directions=(EN_DE,))


@pytest.fixture(scope="module")
def translator(network: Transformer, info: BundleConfig) -> Translator:
    codec = WordCodec()
    return Translator(info, codec, Engine(TorchDecoder(network, forbidden_ids=codec.forbidden_ids(), max_slots=4)))


def test_a_source_and_its_translation_are_framed_as_the_codec_says(translator: Translator) -> None:
    prepared = translator.prepare("word3 word4", EN_DE, SearchOptions(target_prefix="word7"))
    (segment,) = prepared.segments
    assert segment.source_ids == (5, 6, 0)
    assert segment.prefix_ids == (DE, 9)
    assert translator.max_source_length == 19


def test_a_translation_equals_the_oracles_and_shows_no_language_piece(
    translator: Translator, network: Transformer
) -> None:
    options = SearchOptions(beam_size=3, n_best=3, max_retries=0, return_attention=True)
    (translation,) = translator.stream(["word3 word4 word5"], EN_DE, options)
    length = translator.prepare("word3 word4 word5", EN_DE, options).segments[0].max_target_length
    due = reference_search(
        network, (5, 6, 7, 0), options, length, translator.vocabulary.forbidden_ids(), prefix_ids=(DE,)
    )
    assert translation.source_pieces == ("▁word3", "▁word4", "▁word5", "</s>")
    assert len(translation.hypotheses) == 3
    for hypothesis, other in zip(translation.hypotheses, due, strict=True):
        assert other.token_ids[0] == DE
        assert hypothesis.pieces == tuple(WORDS[piece] for piece in other.token_ids[1:])
        assert hypothesis.score == pytest.approx(other.score)
        assert hypothesis.token_log_probs == pytest.approx(other.token_log_probs[1:])
        assert hypothesis.attention is not None
        assert other.attention is not None
        np.testing.assert_allclose(hypothesis.attention, other.attention[1:], atol=1e-6)
        assert all(0 <= source < 3 for source, _ in hypothesis.alignment)
        assert hypothesis.alignment


def test_both_ways_of_scoring_agree(translator: Translator, network: Transformer, info: BundleConfig) -> None:
    scorer = Scorer(info, WordCodec(), TorchDecoder(network, max_slots=1))
    (scored,) = scorer.score([("word3 word4", "word8 word9")], "de", length_penalty=0.0)
    prepared = translator.prepare_score("word3 word4", "word8 word9", EN_DE, SearchOptions())
    assert prepared.segments[0].prefix_ids == (DE, 10, 11, 0)
    translator.engine.admit(prepared.requests(iter([0])))
    events: list[Event] = []
    while not events:
        events = translator.engine.step()
    (finished,) = events
    assert isinstance(finished, Finished)
    engines = translator.finish_score(prepared, [finished.hypotheses])
    assert scored.pieces == engines.pieces == ("▁word8", "▁word9")
    assert scored.token_log_probs == pytest.approx(engines.token_log_probs)
    assert scored.source_pieces == engines.source_pieces


def test_an_unknown_language_is_the_codecs_to_refuse(translator: Translator) -> None:
    with pytest.raises(NotFoundError, match="no language piece for fr"):
        translator.prepare("word1", dataclasses.replace(EN_DE, target="fr"), SearchOptions())

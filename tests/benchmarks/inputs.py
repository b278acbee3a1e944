"""What is translated, and with which models: made once into a cache folder, the same on every machine."""

import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from sentencepiece import sentencepiece_model_pb2

from dragoman.model.bundle import BundleConfig, bundle_revision, find_bundle, write_bundle
from dragoman.model.config import ArchitectureConfig, Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.export import export_ctranslate2
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.vocabulary import PieceModel, Vocabulary, language_tag

BASE_VOCAB_SIZE = 32_000
OPUS_VOCAB_SIZE = 58_000
BASE_SENTENCES = 256
BASE_TARGET_PIECES = 25
BUNDLED = "en-de"


@dataclass(frozen=True)
class DevSet:
    """sources, references: texts, line by line; to: the language of the references."""

    sources: list[str]
    references: list[str]
    to: str


class Inputs:
    """Reads the data and makes the models when they are first asked for."""

    def __init__(self, cache: Path, data: Path | None) -> None:
        """cache: a folder for models. data: one with dev.en and dev.de."""
        self.cache = cache
        self._data = data

    @property
    def data(self) -> Path:
        if self._data is None or not (self._data / "dev.en").is_file():
            raise InvalidInputError(
                f"{self._data}: no data here; give the folder that holds dev.en and dev.de with --data, "
                "see tests/benchmarks/README.md"
            )
        return self._data

    def dev_set(self, to: str = "de") -> DevSet:
        source, target = ("en", "de") if to == "de" else ("de", "en")
        return DevSet(self._lines(f"dev.{source}"), self._lines(f"dev.{target}"), to)

    def _lines(self, name: str) -> list[str]:
        return (self.data / name).read_text(encoding="utf-8").splitlines()

    @cached_property
    def bundled(self) -> Path:
        """The shipped bundle."""
        return find_bundle(BUNDLED)

    @cached_property
    def base(self) -> Path:
        """A bundle of base shape with random weights, whose pieces are made-up words."""
        return self._random_bundle("base", BASE_VOCAB_SIZE)

    @cached_property
    def opus(self) -> Path:
        """A bundle of an OPUS-MT model's shape, likewise."""
        marian = {
            "normalization": "post",
            "activation": "swish",
            "output_bias": True,
            "positions": "half-split",
            "decoder_start": "zero",
        }
        return self._random_bundle("opus", OPUS_VOCAB_SIZE, **marian)

    def _random_bundle(self, name: str, vocab_size: int, **architecture_changes: Any) -> Path:
        """architecture_changes: from the defaults, which are the base model."""
        folder = self.cache / f"{name}-words"
        if not folder.exists():
            model = _words_as_pieces(vocab_size)
            vocabulary = Vocabulary(model, model)
            architecture = ArchitectureConfig(**architecture_changes)
            torch.manual_seed(1)
            network = Transformer(architecture, vocabulary.shape)
            config = BundleConfig(
                name=name,
                directions=(Direction("source", "target"),),
                architecture=architecture,
                vocabulary=vocabulary.shape,
                storage="float32",
                num_parameters=num_parameters(network),
            )
            write_bundle(folder, config, vocabulary, pack_weights(network, config.storage), f"# {name}\n")
        return folder

    def ctranslate2(self, bundle: Path, shortlist: Direction | None = None) -> Path:
        """A bundle as CTranslate2 has it, with the shortlist of a direction or without."""
        parts = [
            bundle.name,
            bundle_revision(bundle),
            *([f"{shortlist.source}-{shortlist.target}"] if shortlist else []),
        ]
        folder = self.cache / "-".join([*parts, "ctranslate2"])
        if not folder.exists():
            export_ctranslate2(bundle, folder, shortlist=shortlist)
        return folder

    def nonsense(self, vocab_size: int) -> list[str]:
        """Sentences of 10 to 40 pieces, which are made-up words."""
        draw = random.Random(1)
        largest = vocab_size - len(_reserved_pieces())
        return [
            " ".join(made_up_word(draw.randrange(largest)) for _ in range(draw.randint(10, 40)))
            for _ in range(BASE_SENTENCES)
        ]


def _reserved_pieces() -> list[str]:
    return ["<pad>", "<unk>", "<s>", "</s>", language_tag("target")]


def made_up_word(number: int) -> str:
    """A word of syllables, another for each number: of figures there would be nothing to translate."""
    syllables = ""
    while number or not syllables:
        number, digit = divmod(number, 100)
        syllables += "bcdfghjklmnpqrstvwxz"[digit // 5] + "aeiou"[digit % 5]
    return syllables


def _words_as_pieces(size: int) -> PieceModel:
    """A vocabulary without training: each made-up word is one piece, so that texts can have any length in pieces."""
    proto: Any = sentencepiece_model_pb2  # generated, without types
    model = proto.ModelProto()
    kinds = proto.ModelProto.SentencePiece

    def add(piece: str, kind: Any, score: float = 0.0) -> None:
        model.pieces.append(kinds(piece=piece, type=kind, score=score))

    for reserved in _reserved_pieces():
        add(reserved, kinds.UNKNOWN if reserved == "<unk>" else kinds.CONTROL)
    for number in range(size - len(model.pieces)):
        add(f"▁{made_up_word(number)}", kinds.NORMAL, -1.0)
    spec = model.trainer_spec
    spec.model_type = proto.TrainerSpec.UNIGRAM
    spec.vocab_size = size
    spec.pad_id, spec.unk_id, spec.bos_id, spec.eos_id = range(4)
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    return PieceModel(model.SerializeToString())

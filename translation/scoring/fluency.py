"""What a language model says of texts: how likely each is."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dragoman.model.codec import Side
from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Decoder, Given
from dragoman.model.decoding.loading import open_language_model
from dragoman.model.errors import InvalidInputError

LOOKAHEAD = 512
"""Texts that are scored together."""


@dataclass(frozen=True, slots=True)
class TextScore:
    """log_prob: of the whole text and its end, in nats. num_pieces: the end counts as one."""

    log_prob: float
    num_pieces: int

    @property
    def per_piece(self) -> float:
        """The mean log probability of a piece."""
        return self.log_prob / self.num_pieces


class LanguageScorer:
    """Scores texts with a language model."""

    def __init__(self, name: str, language: str, side: Side, shape: VocabularyShape, decoder: Decoder) -> None:
        """language: of the texts. side: the vocabulary."""
        self.name = name
        self.language = language
        self.side = side
        self._shape = shape
        self._decoder = decoder

    @classmethod
    def load(cls, name_or_path: str | Path, *, device: str = "cpu") -> "LanguageScorer":
        """Loads a bundle by its folder. Raises NotFoundError or InvalidInputError for one that is unknown, damaged or
        no language model, and DragomanError without torch."""
        model = open_language_model(name_or_path)
        decoder = model.load_decoder(precision="float32", device=device, max_slots=1)
        language = model.info.directions[0].target
        return cls(model.info.name, language, model.vocabulary.target, model.info.vocabulary, decoder)

    def score(self, texts: Iterable[str]) -> Iterator[TextScore]:
        """The scores of texts, each as one sentence, in order; reads LOOKAHEAD ahead. A text that is too long is scored
        as several, and one without any piece as its end alone."""
        remaining = iter(texts)
        while block := list(islice(remaining, LOOKAHEAD)):
            parts = [self._parts(self.side.encode(text)) for text in block]
            scores = iter(self._decoder.score([self._given(ids) for own in parts for ids in own]))
            for own in parts:
                log_probs = [float(next(scores).log_probs.sum()) for _ in own]
                if not all(map(math.isfinite, log_probs)):
                    raise InvalidInputError(f"{self.name} has no probabilities for a text")
                yield TextScore(sum(log_probs), sum(len(ids) + 1 for ids in own))

    def _parts(self, ids: Sequence[int]) -> list[Sequence[int]]:
        most = self._decoder.max_target_length - 1
        return [ids[first : first + most] for first in range(0, max(1, len(ids)), most)]

    def _given(self, ids: Sequence[int]) -> Given:
        end = self._shape.eos_id
        return Given((end,), (self._shape.start_id, *ids, end))

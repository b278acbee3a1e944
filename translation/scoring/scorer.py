"""Scores of given translations: force-decoding, the whole target at once.

For quality estimation, for reranking another system's translations, for filtering a corpus.
"""

import itertools
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dragoman.model.bundle import BundleConfig
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.decoding.decoder import Decoder, Given, GivenScore
from dragoman.model.decoding.engines.making import default_threads
from dragoman.model.decoding.loading import open_model
from dragoman.model.decoding.search.rules import hypothesis_score
from dragoman.model.decoding.search_options import LengthNormalization, SearchOptions, refuse_attention
from dragoman.model.errors import InvalidInputError
from dragoman.translation.languages import find_direction
from dragoman.translation.scoring.scored import Pair, ScoredTranslation, describe_pair, encode_pair

LOOKAHEAD = 2048
"""Pairs that are read ahead, so that pairs of similar length are scored together."""

THREAD_PAIRS = 32
"""Pairs that a thread scores at a time."""

ScoringPrecision = Literal["float32", "bfloat16", "float16", "int8"]


@dataclass(frozen=True, slots=True)
class PairScore:
    """The score of a pair's translation. `token_log_probs` and `attention` have a row for each target piece and, last,
    for the end of sentence.

    score:           as the search computes it: length-normalized, with the coverage penalty.
    log_prob:        the sum of token_log_probs.
    token_log_probs: [len(target_ids) + 1].
    attention:       [len(target_ids) + 1, len(source_ids)] the last layer's cross-attention, averaged over its heads;
                     None unless requested.
    """

    score: float
    log_prob: float
    token_log_probs: NDArray[np.float64]
    attention: NDArray[np.float32] | None


class Scorer:
    """Scores given translations with one bundle."""

    def __init__(self, info: BundleConfig, vocabulary: Codec, decoder: Decoder, *, num_threads: int = 1) -> None:
        """num_threads: threads that score, each with a replica of the decoder, if the decoder can be replicated."""
        self.info = info
        self.vocabulary = vocabulary
        self._decoders = [decoder]
        while len(self._decoders) < num_threads and (replica := decoder.replicate()) is not None:
            self._decoders.append(replica)

    @classmethod
    def load(
        cls, name_or_path: str | Path, *, precision: ScoringPrecision = "float32", device: str = "cpu"
    ) -> "Scorer":
        """Loads a bundle by its folder or shipped name. Needs torch only where translating does.

        device: torch's name for it, such as "cuda".

        Raises NotFoundError for an unknown bundle, and InvalidInputError for a damaged one, an unknown precision and an
        unusable device.
        """
        if precision not in get_args(ScoringPrecision):
            raise InvalidInputError(
                f'cannot score in the precision "{precision}": choose among {", ".join(get_args(ScoringPrecision))}'
            )
        model = open_model([name_or_path])
        decoder = model.load_decoder(precision=precision, device=device, max_slots=1)
        return cls(model.info, model.vocabulary, decoder, num_threads=default_threads())

    def prepare(self, source: str, target: str, direction: Direction) -> Pair:
        """Both texts as pieces. Raises InvalidInputError for a side that is blank or longer than the model's limit."""
        limits = self.info.architecture
        return encode_pair(
            self.vocabulary,
            source,
            target,
            direction,
            max_source_length=limits.source_limit,
            max_target_length=limits.max_target_length,
        )

    def score(
        self,
        pairs: Iterable[tuple[str, str]],
        to: str,
        *,
        source_language: str | None = None,
        length_penalty: float = 1.0,
        length_normalization: LengthNormalization = "gnmt",
        coverage_penalty: float = 0.0,
        return_attention: bool = False,
    ) -> list[ScoredTranslation]:
        """The scores of (source, translation) pairs, in order. Each pair is scored as a whole, not sentence by
        sentence, and with the whole vocabulary, without a shortlist.

        `SearchOptions` describes the options. Raises NotFoundError for an unknown language, and InvalidInputError for
        an option out of range, a pair that `prepare` refuses, and a pair whose probabilities are NaN.
        """
        options = SearchOptions(
            length_penalty=length_penalty,
            length_normalization=length_normalization,
            coverage_penalty=coverage_penalty,
            return_attention=return_attention,
        )
        scored = []
        for outcome in self.stream(pairs, find_direction(self.info, source_language, to), options):
            if isinstance(outcome, InvalidInputError):
                raise outcome
            scored.append(outcome)
        return scored

    def stream(
        self, pairs: Iterable[tuple[str, str]], direction: Direction, options: SearchOptions
    ) -> Iterator[ScoredTranslation | InvalidInputError]:
        """Scores pairs as they come: reads LOOKAHEAD ahead and yields scores in order. Yields the error instead of the
        score for a pair that `prepare` refuses or whose probabilities are NaN.

        options: only those that `score` takes count.
        """
        remaining = iter(pairs)
        while texts := list(itertools.islice(remaining, LOOKAHEAD)):
            prepared = [self._try_prepare(source, target, direction) for source, target in texts]
            scorable = [pair for pair in prepared if isinstance(pair, Pair)]
            scores = iter(self.score_pairs(scorable, options))
            for (source, target), pair in zip(texts, prepared, strict=True):
                if not isinstance(pair, Pair):
                    yield pair
                elif np.isfinite((score := next(scores)).log_prob):
                    yield self._describe(source, target, pair, score)
                else:
                    yield InvalidInputError("the model has no probabilities for this pair")

    def _try_prepare(self, source: str, target: str, direction: Direction) -> Pair | InvalidInputError:
        try:
            return self.prepare(source, target, direction)
        except InvalidInputError as error:
            return error

    def _describe(self, source: str, target: str, pair: Pair, score: PairScore) -> ScoredTranslation:
        return describe_pair(
            self.vocabulary,
            source,
            target,
            pair,
            score=score.score,
            token_log_probs=score.token_log_probs.tolist(),
            attention=score.attention,
        )

    def score_pairs(self, pairs: Sequence[Pair], options: SearchOptions) -> list[PairScore]:
        """The scores of pairs, in order. With torch, pairs scored together may change the last digits; with the
        kernels they change nothing."""
        needs_attention = options.return_attention or options.coverage_penalty > 0
        if not self.info.architecture.has_attention:
            refuse_attention(options)
        start, end = self.info.vocabulary.start_id, self.info.vocabulary.eos_id
        targets = [(start, *pair.frame.target, *pair.target_ids, end) for pair in pairs]
        given = [Given(pair.source_ids, target, needs_attention) for pair, target in zip(pairs, targets, strict=True)]
        return [
            _pair_score(score, len(pair.frame.target), options)
            for score, pair in zip(self._score(given), pairs, strict=True)
        ]

    def _score(self, given: Sequence[Given]) -> list[GivenScore]:
        """Scores in blocks of similar length, on all threads."""
        if len(self._decoders) == 1:
            return self._decoders[0].score(given)
        order = sorted(range(len(given)), key=lambda number: -len(given[number].target_ids))
        blocks = [order[first : first + THREAD_PAIRS] for first in range(0, len(order), THREAD_PAIRS)]
        resting: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        for decoder in self._decoders:
            resting.put(decoder)

        def score_block(block: Sequence[int]) -> list[GivenScore]:
            decoder = resting.get()
            try:
                return decoder.score([given[number] for number in block])
            finally:
                resting.put(decoder)

        scores: dict[int, GivenScore] = {}
        with ThreadPoolExecutor(len(self._decoders), thread_name_prefix="dragoman-scorer") as threads:
            for block, found in zip(blocks, threads.map(score_block, blocks), strict=True):
                scores.update(zip(block, found, strict=True))
        return [scores[number] for number in range(len(given))]


def _pair_score(score: GivenScore, first: int, options: SearchOptions) -> PairScore:
    """first: number of pieces that the frame puts before the translation; they do not count."""
    log_probs, attention = score.log_probs[first:], None if score.attention is None else score.attention[first:]
    log_prob = float(log_probs.sum())
    value = hypothesis_score(options, log_prob, len(log_probs), attention)
    return PairScore(value, log_prob, log_probs, attention if options.return_attention else None)

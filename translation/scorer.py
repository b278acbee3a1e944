"""How likely the model finds given translations: force-decoding, the whole target at once.

For quality estimation, for reranking what another system found, for filtering a corpus.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dragoman.model.bundle import BundleConfig, find_bundle, read_config, read_vocabulary
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.decoding.search.rules import coverage_penalty, length_penalty
from dragoman.model.decoding.search_options import LengthNormalization, SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.storage import load_network, place_network
from dragoman.model.network.transformer import Transformer, pad_batch
from dragoman.translation.scored import Pair, ScoredTranslation, describe_pair, encode_pair

LOOKAHEAD = 2048
"""Pairs that are read ahead, to score like lengths together."""

MAX_LOGITS = 1 << 24
"""Numbers that a batch's logits may have, 64 MiB of float32; a pair that alone has more makes a batch of its own."""

MAX_SOURCE_PIECES = 8192
"""Padded source pieces of a batch, likewise."""

ScoringPrecision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class PairScore:
    """How likely a pair's translation is; `token_log_probs` and `attention` are rows for its pieces and, last, for the
    end of sentence.

    score:           as the search would have it: length-normalized, with the coverage penalty.
    log_prob:        the sum of token_log_probs.
    token_log_probs: [len(target_ids) + 1].
    attention:       [len(target_ids) + 1, len(source_ids)] the last layer's cross-attention, averaged over its heads;
                     None unless asked for.
    """

    score: float
    log_prob: float
    token_log_probs: NDArray[np.float64]
    attention: NDArray[np.float32] | None


class Scorer:
    """Scores given translations with one bundle."""

    def __init__(self, info: BundleConfig, vocabulary: Codec, network: Transformer) -> None:
        """network: in evaluation mode, on any device and of any float type."""
        self.info = info
        self.vocabulary = vocabulary
        self.network = network

    @classmethod
    def load(
        cls, name_or_path: str | Path, *, precision: ScoringPrecision = "float32", device: str = "cpu"
    ) -> "Scorer":
        """Loads a bundle given by its folder or shipped name; device: torch's name for it, such as "cuda".

        Raises NotFoundError if there is no such bundle, and InvalidInputError if it is damaged, for another precision,
        and if the device cannot be used.
        """
        if precision not in get_args(ScoringPrecision):
            raise InvalidInputError(
                f'cannot score in the precision "{precision}": choose among {", ".join(get_args(ScoringPrecision))}'
            )
        folder = find_bundle(str(name_or_path))
        info = read_config(folder)
        network = load_network(folder, info)
        place_network(network, device, precision)
        return cls(info, read_vocabulary(folder, info), network)

    def prepare(self, source: str, target: str, direction: Direction) -> Pair:
        """Both texts as pieces. Raises InvalidInputError for a side that is blank or longer than the model's limit."""
        limits = self.info.architecture
        return encode_pair(
            self.vocabulary,
            source,
            target,
            direction,
            max_source_length=limits.max_source_length,
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
        """The scores of (source, translation) pairs, in order; each is scored as a whole, not sentence by sentence, and
        by all pieces of the vocabulary, whatever shortlist the bundle has.

        See `SearchOptions` for what makes a score. Raises NotFoundError for an unknown language and InvalidInputError
        for an option out of range or a pair that `prepare` refuses.
        """
        options = SearchOptions(
            length_penalty=length_penalty,
            length_normalization=length_normalization,
            coverage_penalty=coverage_penalty,
            return_attention=return_attention,
        )
        scored = []
        for outcome in self.stream(pairs, self.info.find_direction(source_language, to), options):
            if isinstance(outcome, InvalidInputError):
                raise outcome
            scored.append(outcome)
        return scored

    def stream(
        self, pairs: Iterable[tuple[str, str]], direction: Direction, options: SearchOptions
    ) -> Iterator[ScoredTranslation | InvalidInputError]:
        """Scores pairs as they come: reads LOOKAHEAD ahead and yields in their order; the error in place of the score
        for a pair that `prepare` refuses.

        options: those that `score` takes count; nothing is searched.
        """
        remaining = iter(pairs)
        while texts := list(itertools.islice(remaining, LOOKAHEAD)):
            prepared = [self._try_prepare(source, target, direction) for source, target in texts]
            scorable = [pair for pair in prepared if isinstance(pair, Pair)]
            scores = iter(score_pairs(self.network, scorable, options))
            for (source, target), pair in zip(texts, prepared, strict=True):
                yield self._describe(source, target, pair, next(scores)) if isinstance(pair, Pair) else pair

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


def score_pairs(network: Transformer, pairs: Sequence[Pair], options: SearchOptions) -> list[PairScore]:
    """The scores of pairs, in their order; the batch they share changes no more than the rounding of last digits."""
    scores: dict[int, PairScore] = {}
    for numbers in _batches(pairs, network.output_projection.weight.shape[0]):
        batch = _score_batch(network, [pairs[number] for number in numbers], options)
        scores.update(zip(numbers, batch, strict=True))
    return [scores[number] for number in range(len(pairs))]


@torch.inference_mode()
def _score_batch(network: Transformer, pairs: Sequence[Pair], options: SearchOptions) -> list[PairScore]:
    """N pairs at once."""
    device = network.output_projection.weight.device
    special = network.vocabulary
    source = pad_batch([pair.source_ids for pair in pairs], special.pad_id).to(device)
    source_lengths = torch.tensor([len(pair.source_ids) for pair in pairs], device=device)
    source_mask = torch.arange(source.shape[1], device=device) < source_lengths.unsqueeze(1)
    targets = [(*pair.frame.target, *pair.target_ids) for pair in pairs]
    target_input = pad_batch([[special.start_id, *target] for target in targets], special.pad_id).to(device)
    labels = pad_batch([[*target, special.eos_id] for target in targets], special.pad_id).to(device)
    needs_attention = options.return_attention or options.coverage_penalty > 0
    attention: list[Tensor] = []  # of each decoder layer, [N, num_heads, T, S]
    encoded = network.encode(source, source_mask)
    decoded = network.decode(encoded, source_mask, target_input, attention.append if needs_attention else None)
    logits = network.output_projection(decoded).float()  # [N, T, V]; sums of exponentials need the range
    log_probs = logits.gather(2, labels.unsqueeze(2)).squeeze(2) - logits.logsumexp(dim=2)  # [N, T]
    rows = log_probs.double().cpu().numpy()
    weights = attention[-1].mean(dim=1).float().cpu().numpy() if attention else None  # [N, T, S]
    scores = []
    for number, pair in enumerate(pairs):
        first, end = len(pair.frame.target), len(targets[number]) + 1
        looked_at = None if weights is None else weights[number, first:end, : len(pair.source_ids)].copy()
        scores.append(_pair_score(rows[number, first:end].copy(), looked_at, options))
    return scores


def _pair_score(
    token_log_probs: NDArray[np.float64], attention: NDArray[np.float32] | None, options: SearchOptions
) -> PairScore:
    log_prob = float(token_log_probs.sum())
    score = log_prob / length_penalty(len(token_log_probs), options.length_penalty, options.length_normalization)
    if attention is not None and options.coverage_penalty > 0:
        score += coverage_penalty(attention, options.coverage_penalty)
    return PairScore(score, log_prob, token_log_probs, attention if options.return_attention else None)


def _batches(pairs: Sequence[Pair], vocab_size: int) -> Iterator[list[int]]:
    """The numbers of pairs of like length, within MAX_LOGITS and MAX_SOURCE_PIECES when padded."""
    most_rows = max(1, MAX_LOGITS // vocab_size)
    batch: list[int] = []
    longest_source = 0
    # Targets ascend, so the newest of a batch is its longest.
    for number in sorted(range(len(pairs)), key=lambda n: (len(pairs[n].target_ids), len(pairs[n].source_ids))):
        pair = pairs[number]
        longest_source = max(longest_source, len(pair.source_ids))
        num_rows = (len(batch) + 1) * (len(pair.target_ids) + 1)
        if batch and (num_rows > most_rows or (len(batch) + 1) * longest_source > MAX_SOURCE_PIECES):
            yield batch
            batch, longest_source = [], len(pair.source_ids)
        batch.append(number)
    if batch:
        yield batch

"""An ensemble of decoders."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import (
    Admission,
    ChosenPieces,
    Decoder,
    Extensions,
    Floats,
    Given,
    GivenScore,
    Ints,
    Rows,
)
from dragoman.model.decoding.engines.trimming import trim
from dragoman.model.decoding.search.beam import best_extensions, top_pieces
from dragoman.model.errors import InvalidInputError


class EnsembleDecoder:
    """A `model.decoding.decoder.Decoder`. A piece's probability is the mean of its probabilities in all decoders (so
    its log probability is the logarithm of that mean, not the mean of logarithms); attention is the mean of theirs.
    """

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        """decoders: with the same vocabulary and the same forbidden pieces; the smallest of their limits apply.

        Raises InvalidInputError if there is none or if their vocabularies differ in size.
        """
        sizes = sorted({decoder.vocabulary.target_size for decoder in decoders})
        if len(sizes) != 1:
            raise InvalidInputError(
                f"an ensemble needs models of one vocabulary, but these have {' and '.join(map(str, sizes))} pieces"
                if sizes
                else "an ensemble needs at least one model"
            )
        self._decoders = tuple(decoders)

    def replicate(self) -> "EnsembleDecoder | None":
        """See `Decoder`."""
        replicas = [replica for decoder in self._decoders if (replica := decoder.replicate()) is not None]
        return EnsembleDecoder(replicas) if len(replicas) == len(self._decoders) else None

    @property
    def max_slots(self) -> int:
        return min(decoder.max_slots for decoder in self._decoders)

    @property
    def vocabulary(self) -> VocabularyShape:
        return self._decoders[0].vocabulary

    @property
    def max_source_length(self) -> int:
        return min(decoder.max_source_length for decoder in self._decoders)

    @property
    def max_target_length(self) -> int:
        return min(decoder.max_target_length for decoder in self._decoders)

    def admit(self, admissions: Sequence[Admission]) -> None:
        """See `Decoder`."""
        slots = [admission.slot for admission in admissions]
        for index, decoder in enumerate(self._decoders):
            try:
                decoder.admit(admissions)
            except BaseException:
                for earlier in self._decoders[:index]:
                    earlier.release(slots)
                raise

    def advance(self, rows: Rows) -> None:
        """See `Decoder`."""
        for decoder in self._decoders:
            decoder.advance(rows)

    def extend(self, rows: Rows, which: Ints) -> Extensions:
        """See `Decoder`."""
        chosen, offsets = rows.of_slots(which)
        wanted = ChosenPieces(rows.wanted, chosen, rows.num_rows)
        totals = np.full(len(wanted.rows), -np.inf)  # exact, however small the probability is
        probabilities: Floats = np.zeros(1)
        for decoder in self._decoders:
            log_probs = decoder.log_probs(rows, which)
            with np.errstate(invalid="ignore"):  # NaN stays NaN, of one sentence alone
                totals = np.logaddexp(totals, log_probs[wanted.rows, wanted.token_ids])
            probabilities = probabilities + np.exp(log_probs)
        excluded = ChosenPieces(rows.excluded, chosen, rows.num_rows)
        ends = probabilities[:, self.vocabulary.eos_id].copy()
        probabilities[excluded.rows, excluded.token_ids] = 0.0
        stuck = np.flatnonzero(~(probabilities > 0.0).any(axis=1)) if len(excluded.rows) else excluded.rows
        probabilities[stuck, self.vocabulary.eos_id] = ends[stuck]
        num_extensions, num_candidates = rows.num_extensions[which], rows.candidates[which]
        sums, token_ids = top_pieces(probabilities, int(num_candidates.max(initial=1)))
        sums = sums.clip(min=0.0)  # of a broken model they are -inf
        with np.errstate(divide="ignore"):  # log 0 is -inf, as it should be
            best = np.log(sums.astype(np.float64) / len(self._decoders))
        extensions = best_extensions(best, token_ids, rows.log_probs[chosen], offsets, num_extensions, num_candidates)
        found = np.full(wanted.num_pieces, np.nan)
        found[wanted.places] = totals - np.log(len(self._decoders)) + rows.log_probs[chosen[wanted.rows]]
        return dataclasses.replace(extensions, wanted=found)

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        """See `Decoder`. Exact even where probabilities are too small for a float."""
        combined: Floats = self._decoders[0].log_probs(rows, which)
        for decoder in self._decoders[1:]:
            with np.errstate(invalid="ignore"):  # NaN stays NaN, of one sentence alone
                combined = np.logaddexp(combined, decoder.log_probs(rows, which))
        return combined - np.log(len(self._decoders))

    def score(self, given: Sequence[Given]) -> list[GivenScore]:
        """See `Decoder`."""
        scores = []
        for members in zip(*(decoder.score(given) for decoder in self._decoders), strict=True):
            with np.errstate(invalid="ignore"):
                log_probs = np.logaddexp.reduce([one.log_probs for one in members]) - np.log(len(members))
            weights = [one.attention for one in members if one.attention is not None]
            scores.append(GivenScore(log_probs, np.mean(weights, axis=0) if weights else None))
        return scores

    def attention(self, slot: int) -> NDArray[np.float32]:
        """See `Decoder`."""
        all_weights = [decoder.attention(slot) for decoder in self._decoders]
        num_beams = min(weights.shape[1] for weights in all_weights)  # some may tell of beams where no row stood
        mean: NDArray[np.float32] = np.mean([weights[:, :num_beams] for weights in all_weights], axis=0)
        return mean

    def trim(self) -> None:
        """See `engines.trimming.Trims`."""
        for decoder in self._decoders:
            trim(decoder)

    def release(self, slots: Sequence[int]) -> None:
        """See `Decoder`."""
        for decoder in self._decoders:
            decoder.release(slots)

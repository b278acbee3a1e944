"""Shallow fusion (Gülçehre et al. 2015): a language model has a say in every step of the search."""

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
from dragoman.model.decoding.search.beam import best_extensions, join_extensions, top_pieces


class FusionDecoder:
    """A `model.decoding.decoder.Decoder`. A piece of a sentence admitted with a fusion_weight has log P(piece | source,
    beginning) + fusion_weight · log P(piece | beginning), the second by the language model. Other sentences, and given
    translations, are the translation model's alone."""

    def __init__(self, decoder: Decoder, language_model: Decoder) -> None:
        """language_model: with the same target pieces, as many slots, and no forbidden pieces."""
        self._decoder = decoder
        self._language_model = language_model
        self._weights = np.zeros(decoder.max_slots)  # by slot; 0 for one that the language model does not know

    def replicate(self) -> None:
        """None: a language model uses all processors."""

    @property
    def max_slots(self) -> int:
        return self._decoder.max_slots

    @property
    def vocabulary(self) -> VocabularyShape:
        return self._decoder.vocabulary

    @property
    def max_source_length(self) -> int:
        return self._decoder.max_source_length

    @property
    def max_target_length(self) -> int:
        return min(self._decoder.max_target_length, self._language_model.max_target_length)

    def admit(self, admissions: Sequence[Admission]) -> None:
        """See `Decoder`."""
        self._decoder.admit(admissions)
        nothing = (self.vocabulary.eos_id,)
        fused = [
            Admission(one.slot, nothing, one.beam_size, one.max_target_length)
            for one in admissions
            if one.fusion_weight
        ]
        try:
            self._language_model.admit(fused)
        except BaseException:
            self._decoder.release([one.slot for one in admissions])
            raise
        for one in admissions:
            self._weights[one.slot] = one.fusion_weight

    def advance(self, rows: Rows) -> None:
        """See `Decoder`."""
        self._decoder.advance(rows)
        fused = self._fused(rows)
        if fused is not None:
            self._language_model.advance(fused)

    def extend(self, rows: Rows, which: Ints) -> Extensions:
        """See `Decoder`. A sentence without fusion has the very numbers that it has alone."""
        is_fused = self._weights[rows.slots[which]] > 0
        if not is_fused.any():
            return self._decoder.extend(rows, which)
        parts = [(np.flatnonzero(is_fused).astype(np.int32), self._extend_fused(rows, which[is_fused]))]
        if not is_fused.all():
            others = which[~is_fused]
            parts.append((np.flatnonzero(~is_fused).astype(np.int32), self._decoder.extend(rows, others)))
        joined = join_extensions(len(which), parts)
        wanted = np.stack([part.wanted for _, part in parts])
        found = wanted[0] if len(parts) == 1 else np.where(np.isnan(wanted[0]), wanted[1], wanted[0])
        return dataclasses.replace(joined, wanted=found)

    def _extend_fused(self, rows: Rows, which: Ints) -> Extensions:
        chosen, offsets = rows.of_slots(which)
        log_probs = self.log_probs(rows, which)
        wanted = ChosenPieces(rows.wanted, chosen, rows.num_rows)
        found = np.full(wanted.num_pieces, np.nan)
        found[wanted.places] = log_probs[wanted.rows, wanted.token_ids] + rows.log_probs[chosen[wanted.rows]]
        excluded = ChosenPieces(rows.excluded, chosen, rows.num_rows)
        end = self.vocabulary.eos_id
        ends = log_probs[:, end].copy()
        log_probs[excluded.rows, excluded.token_ids] = -np.inf
        stuck = np.flatnonzero(~(log_probs > -np.inf).any(axis=1))
        log_probs[stuck, end] = ends[stuck]
        num_extensions, num_candidates = rows.num_extensions[which], rows.candidates[which]
        values, token_ids = top_pieces(log_probs, int(num_candidates.max(initial=1)))
        extensions = best_extensions(values, token_ids, rows.log_probs[chosen], offsets, num_extensions, num_candidates)
        return dataclasses.replace(extensions, wanted=found)

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        """See `Decoder`."""
        log_probs = np.array(self._decoder.log_probs(rows, which), np.float64)
        fused = self._fused(rows)
        slots = rows.slots[which]
        is_fused = self._weights[slots] > 0
        if fused is None or not is_fused.any():
            return log_probs
        own = np.searchsorted(fused.slots, slots[is_fused]).astype(np.int32)
        counts = np.diff(rows.offsets)[which]
        weights = self._weights[slots].repeat(counts)
        log_probs[weights > 0] += weights[weights > 0, None] * self._language_model.log_probs(fused, own)
        return log_probs

    def score(self, given: Sequence[Given]) -> list[GivenScore]:
        """See `Decoder`."""
        return self._decoder.score(given)

    def attention(self, slot: int) -> NDArray[np.float32]:
        """See `Decoder`."""
        return self._decoder.attention(slot)

    def release(self, slots: Sequence[int]) -> None:
        """See `Decoder`."""
        self._decoder.release(slots)
        self._language_model.release([slot for slot in slots if self._weights[slot] > 0])
        self._weights[list(slots)] = 0.0

    def _fused(self, rows: Rows) -> Rows | None:
        """The rows of which the language model knows; None if there are none."""
        which = np.flatnonzero(self._weights[rows.slots] > 0).astype(np.int32)
        if not len(which):
            return None
        chosen, offsets = rows.of_slots(which)
        return Rows(
            slots=rows.slots[which],
            offsets=offsets,
            positions=rows.positions[which],
            token_ids=rows.token_ids[chosen],
            log_probs=rows.log_probs[chosen],
            ancestry=rows.ancestry,
            num_extensions=rows.num_extensions[which],
        )

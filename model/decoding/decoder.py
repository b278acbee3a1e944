"""The contract between the engine, which runs on the host with numpy, and the decoders, which compute.

A decoder keeps, for every slot, one source sentence and the keys and values of all hypotheses ever fed to it. It never
forgets or reorders them while the slot is in use: a hypothesis's ancestry says which of them are its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import VocabularyShape

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Admission:
    """A sentence admitted to a slot.

    slot:              a free slot, 0 to max_slots - 1.
    source_ids:        its pieces, language tag and end of sentence included; never empty.
    beam_size:         most rows that it will ever have.
    max_target_length: most pieces that will ever be fed to one of its hypotheses.
    allowed_ids:       the target pieces that its translation may consist of (a lexical shortlist), ascending, with the
                       end of sentence among them; None for the whole vocabulary. The softmax covers these alone.
    keep_attention:    whether to keep the attention for `attention`.
    fusion_weight:     of a language model's log probabilities; see `model.decoding.decoders.fusion`.
    """

    slot: int
    source_ids: Sequence[int]
    beam_size: int
    max_target_length: int
    allowed_ids: NDArray[np.int32] | None = None
    keep_attention: bool = False
    fusion_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Given:
    """A sentence with a given translation, to be scored.

    source_ids:     its pieces, language tag and end of sentence included; never empty.
    target_ids:     the translation's pieces, from the beginning to the end of sentence: at least these two.
    keep_attention: whether to return the attention.
    """

    source_ids: Sequence[int]
    target_ids: Sequence[int]
    keep_attention: bool = False


@dataclass(frozen=True, slots=True)
class GivenScore:
    """The score of a given translation of T pieces, not counting the beginning of sentence.

    log_probs: [T] float64, of each piece given those before it; NaN from a broken network.
    attention: [T, source pieces], see `Decoder.attention`; None unless requested.
    """

    log_probs: NDArray[np.float64]
    attention: NDArray[np.float32] | None = None


class PieceLists(NamedTuple):
    """Lists of pieces of R rows, concatenated: those of row r are token_ids[offsets[r] : offsets[r + 1]], ascending."""

    offsets: Ints
    token_ids: Ints

    @classmethod
    def from_pairs(cls, rows: NDArray[np.integer], token_ids: NDArray[np.integer], num_rows: int) -> "PieceLists":
        """rows, token_ids: [N] a row and a piece of it, in any order; repeats are allowed."""
        keys = np.sort((rows.astype(np.int64) << 32) | token_ids, kind="stable")  # fast where most are in order
        keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
        offsets = np.searchsorted(keys >> 32, np.arange(num_rows + 1)).astype(np.int32)
        return cls(offsets, (keys & 0xFFFFFFFF).astype(np.int32))

    def find(self, rows: NDArray[np.integer], token_ids: NDArray[np.integer]) -> NDArray[np.intp]:
        """The indices of some pieces among the N. rows, token_ids: of each piece, which must be listed."""
        keys = (self.rows() << 32) | self.token_ids
        return np.searchsorted(keys, (rows.astype(np.int64) << 32) | token_ids)

    def rows(self) -> NDArray[np.intp]:
        """[N] the row of each piece."""
        return np.arange(len(self.offsets) - 1).repeat(np.diff(self.offsets))


class ChosenPieces:
    """The pieces of the rows `chosen`, with rows counted among these.

    rows, token_ids: [N] a row and a piece of it. places: [N] their indices among all num_pieces of the lists.
    """

    def __init__(self, lists: PieceLists | None, chosen: NDArray[np.intp], num_rows: int) -> None:
        if lists is None:
            lists = PieceLists(np.zeros(num_rows + 1, np.int32), np.zeros(0, np.int32))
        numbers = np.full(num_rows, -1)
        numbers[chosen] = np.arange(len(chosen))
        owners = numbers[lists.rows()]
        self.num_pieces = len(owners)
        self.places = np.flatnonzero(owners >= 0)
        self.rows, self.token_ids = owners[self.places], lists.token_ids[self.places]


@dataclass(frozen=True, slots=True)
class Rows:
    """The live hypotheses that take a step together: n slots, R rows; the rows of a slot stand side by side, and only
    hypotheses that are alive have one (a single one at position 0).

    slots:     [n] the slots' numbers, ascending.
    offsets:   [n + 1] the rows of slots[i] are offsets[i] to offsets[i + 1] - 1. Their number within the slot is the
               beam: row offsets[i] + b is beam b.
    positions: [n] pieces of each slot's hypotheses so far, the beginning of sentence not counted.
    token_ids: [R] the piece fed to each row: its last one, or the beginning of sentence at position 0.
    log_probs: [R] float64, sums of the log probabilities of each hypothesis so far.
    ancestry:  [max_slots, widest beam, longest target] uint8, indexed by slot, beam and position: the beam of the
               row's hypothesis at position t, before the slot's current one.
    num_extensions: [n] extensions requested by each slot.
    num_candidates: [n] the likeliest pieces of each row among which the slot's extensions are chosen, at most the
               vocabulary's size; None: num_extensions.
    excluded:  the pieces that may not follow each row; None if there are none. They still count in the softmax. A row
               without any other possible piece may end nevertheless.
    wanted:    the pieces whose log probabilities each row needs, whether or not they are excluded or among the best
               extensions; None if there are none.
    """

    slots: Ints
    offsets: Ints
    positions: Ints
    token_ids: Ints
    log_probs: Floats
    ancestry: NDArray[np.uint8]
    num_extensions: Ints
    excluded: PieceLists | None = None
    wanted: PieceLists | None = None
    num_candidates: Ints | None = None

    @property
    def num_rows(self) -> int:
        return len(self.token_ids)

    @property
    def candidates(self) -> Ints:
        """[n] num_candidates, or num_extensions in its place."""
        return self.num_extensions if self.num_candidates is None else self.num_candidates

    def of_slots(self, which: Ints) -> tuple[NDArray[np.intp], Ints]:
        """The rows of the slots self.slots[which] in order, and their offsets among these."""
        counts = np.diff(self.offsets)[which]
        offsets = np.zeros(len(which) + 1, np.int32)
        counts.cumsum(out=offsets[1:])
        return np.arange(offsets[-1]) + (self.offsets[which] - offsets[:-1]).repeat(counts), offsets


@dataclass(frozen=True, slots=True)
class Extensions:
    """The best continuations of n slots by one piece, best first; C is the greatest num_extensions among them.

    log_probs: [n, C] of the whole hypothesis with the new piece; -inf where there is no further extension.
    parents:   [n, C] the beam that it extends.
    token_ids: [n, C] the new piece.
    wanted:    [N] log probability of the whole hypothesis with each of the N pieces of `Rows.wanted` of the requested
               rows, -inf where it is impossible.
    """

    log_probs: Floats
    parents: Ints
    token_ids: Ints
    wanted: Floats = field(default_factory=lambda: np.zeros(0))


class Decoder(Protocol):
    """A network with the memory of the sentences in flight. One thread uses it at a time."""

    def replicate(self) -> "Decoder | None":
        """A decoder of the same weights with slots of its own, for another thread; None if this one already uses all
        processors."""

    @property
    def max_slots(self) -> int:
        """The number of slots."""

    @property
    def vocabulary(self) -> VocabularyShape:
        """The sizes and special ids of its vocabulary."""

    @property
    def max_source_length(self) -> int:
        """Most source pieces of a sentence."""

    @property
    def max_target_length(self) -> int:
        """Most target pieces of a sentence, the end of sentence included."""

    def admit(self, admissions: Sequence[Admission]) -> None:
        """Encodes the sentences into their slots. If it raises, all these slots are still free."""

    def advance(self, rows: Rows) -> None:
        """Feeds every row its piece and keeps its keys and values under (slot, position, beam)."""

    def extend(self, rows: Rows, which: Ints) -> Extensions:
        """The best extensions of the slots rows.slots[which], after `advance` of the same rows.

        Forbidden pieces, and those of rows.excluded, are left out but still count in the softmax. Where log
        probabilities are equal, the lower beam and then the lower piece comes first. A slot whose probabilities are NaN
        has no extension.
        """

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        """[m, target_size] log probabilities of the next piece for the rows of the slots rows.slots[which], in order,
        after `advance` of the same rows; -inf for forbidden pieces, but not for those of rows.excluded. For sampling,
        which needs every piece."""

    def score(self, given: Sequence[Given]) -> list[GivenScore]:
        """The scores of given translations, in order, in one pass without any slot. The softmax covers the whole
        vocabulary, forbidden pieces included."""

    def attention(self, slot: int) -> NDArray[np.float32]:
        """[positions, beams, source pieces] the last layer's cross-attention weights, averaged over the heads, of every
        row ever fed to a slot admitted with keep_attention. Values where no row was fed mean nothing."""

    def release(self, slots: Sequence[int]) -> None:
        """Frees slots."""

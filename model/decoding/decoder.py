"""What the search needs of a network: the contract between the engine, which runs on the host with numpy, and the
decoders, which compute.

A decoder remembers, for every slot, one source sentence and the keys and values of all hypotheses that were ever fed
to it. It never forgets or reorders while the slot lives: which of them belong to a hypothesis is told by its ancestry.
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
    """A sentence that moves into a slot.

    slot:              a free slot, 0 to max_slots - 1.
    source_ids:        its pieces, language tag and end of sentence included; never empty.
    beam_size:         most rows that it will ever have.
    max_target_length: most pieces that will ever be fed to one of its hypotheses.
    allowed_ids:       the target pieces that its translation may be made of (a lexical shortlist), ascending, with
                       the end of sentence among them; None for the whole vocabulary. The softmax runs over these alone.
    keep_attention:    whether `attention` will be asked for.
    """

    slot: int
    source_ids: Sequence[int]
    beam_size: int
    max_target_length: int
    allowed_ids: NDArray[np.int32] | None = None
    keep_attention: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """A sentence with a given translation, to be scored.

    source_ids:     its pieces, language tag and end of sentence included; never empty.
    target_ids:     the translation's, from the beginning to the end of sentence: at least these two.
    keep_attention: whether attention is asked for.
    """

    source_ids: Sequence[int]
    target_ids: Sequence[int]
    keep_attention: bool = False


@dataclass(frozen=True, slots=True)
class GivenScore:
    """How likely a given translation is, T pieces without the beginning of sentence.

    log_probs: [T] float64, of each piece after those before it; NaN from a broken network.
    attention: [T, source pieces], see `Decoder.attention`; None unless asked for.
    """

    log_probs: NDArray[np.float64]
    attention: NDArray[np.float32] | None = None


class PieceLists(NamedTuple):
    """Some pieces of each of R rows, one row's behind another's: those of row r are token_ids[offsets[r] :
    offsets[r + 1]], ascending."""

    offsets: Ints
    token_ids: Ints

    @classmethod
    def from_pairs(cls, rows: NDArray[np.integer], token_ids: NDArray[np.integer], num_rows: int) -> "PieceLists":
        """rows, token_ids: [N] a row and a piece of it, in any order, repeated or not."""
        keys = np.sort((rows.astype(np.int64) << 32) | token_ids)
        keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
        offsets = np.searchsorted(keys >> 32, np.arange(num_rows + 1)).astype(np.int32)
        return cls(offsets, (keys & 0xFFFFFFFF).astype(np.int32))

    def find(self, rows: NDArray[np.integer], token_ids: NDArray[np.integer]) -> NDArray[np.intp]:
        """Where among the N pieces each of some stands; rows, token_ids: of each, which must be listed."""
        keys = (self.rows() << 32) | self.token_ids
        return np.searchsorted(keys, (rows.astype(np.int64) << 32) | token_ids)

    def rows(self) -> NDArray[np.intp]:
        """[N] the row of each piece."""
        return np.arange(len(self.offsets) - 1).repeat(np.diff(self.offsets))


class ChosenPieces:
    """The pieces of some rows: of the rows `chosen`, counted among these.

    rows, token_ids: [N] a row and a piece of it. places: [N] where they stand among all num_pieces of the lists.
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
    token_ids: [R] the piece that each row is fed: its last one, the beginning of sentence at position 0.
    log_probs: [R] float64, sums of the log probabilities of each hypothesis so far.
    ancestry:  [max_slots, widest beam, longest target] uint8, indexed by slot, beam and position: at position t
               (before the slot's current one) the row's hypothesis stood in this beam of its slot.
    num_extensions: [n] how many extensions each slot asks for, at most the vocabulary's size.
    excluded:  the pieces that may not follow on each row; None if there are none. They count in the softmax all the
               same. A row that has no other possible piece may end, even so.
    wanted:    the pieces whose log probabilities each row asks for, whether they are among the best extensions or not,
               excluded or not; None if there are none.
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

    @property
    def num_rows(self) -> int:
        return len(self.token_ids)

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
    wanted:    [N] of the whole hypothesis with each of the N pieces of `Rows.wanted`, -inf where it is impossible; of
               the rows that were asked about.
    """

    log_probs: Floats
    parents: Ints
    token_ids: Ints
    wanted: Floats = field(default_factory=lambda: np.zeros(0))


class Decoder(Protocol):
    """A network with the memory of the sentences in flight. One thread alone uses it at a time."""

    def replicate(self) -> "Decoder | None":
        """A decoder of the same weights with slots of its own, for another thread; None if this one already makes use
        of all processors."""

    @property
    def max_slots(self) -> int:
        """Slots that it has."""

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
        """Feeds every row its piece and remembers its keys and values under (slot, position, beam)."""

    def extend(self, rows: Rows, which: Ints) -> Extensions:
        """The best extensions of the slots rows.slots[which], after `advance` of the same rows.

        Pieces that no hypothesis may hold, and what rows.excluded lists, are left out; they count in the softmax all
        the same. Where log probabilities are equal, the lower beam and then the lower piece comes first. A slot whose
        probabilities are not numbers has no extension.
        """

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        """[m, target_size] log probabilities of the next piece for the rows of the slots rows.slots[which], in order,
        after `advance` of the same rows; -inf for pieces that no hypothesis may hold, but not for what rows.excluded
        lists. For sampling, which must see every piece."""

    def score(self, given: Sequence[Given]) -> list[GivenScore]:
        """The scores of given translations, in order, in one pass without any slot: by all pieces of the vocabulary,
        also those that no hypothesis may hold."""

    def attention(self, slot: int) -> NDArray[np.float32]:
        """[positions, beams, source pieces]: what every row ever fed to a slot admitted with keep_attention looked at:
        the last layer's cross-attention weights, averaged over the heads. Where no row stood the values mean
        nothing."""

    def release(self, slots: Sequence[int]) -> None:
        """Frees slots."""

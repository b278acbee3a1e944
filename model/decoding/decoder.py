"""What the search needs of a network: the contract between the engine, which runs on the host with numpy, and the
decoders, which compute.

A decoder remembers, for every slot, one source sentence and the keys and values of all hypotheses that were ever fed
to it. It never forgets or reorders while the slot lives: which of them belong to a hypothesis is told by its ancestry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
    is_forced:         whether its translation is given, piece by piece: then nothing is forbidden in it.
    """

    slot: int
    source_ids: Sequence[int]
    beam_size: int
    max_target_length: int
    allowed_ids: NDArray[np.int32] | None = None
    keep_attention: bool = False
    is_forced: bool = False


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
    can_end:   [n] False where the end of sentence is not possible at this step.
    num_extensions: [n] how many extensions each slot wants, at most the vocabulary's size.
    """

    slots: Ints
    offsets: Ints
    positions: Ints
    token_ids: Ints
    log_probs: Floats
    ancestry: NDArray[np.uint8]
    can_end: NDArray[np.bool_]
    num_extensions: Ints

    @property
    def num_rows(self) -> int:
        return len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Extensions:
    """The best continuations of n slots by one piece, best first; C is the greatest num_extensions among them.

    log_probs: [n, C] of the whole hypothesis with the new piece; -inf where there is no further extension.
    parents:   [n, C] the beam that it extends.
    token_ids: [n, C] the new piece.
    """

    log_probs: Floats
    parents: Ints
    token_ids: Ints


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

        Pieces that no hypothesis may hold, and the end of sentence where rows.can_end is False, are left out; they
        count in the softmax all the same. Where log probabilities are equal, the lower beam and then the lower piece
        comes first.
        """

    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        """[m, target_size] log probabilities of the next piece for the rows of the slots rows.slots[which], in order,
        after `advance` of the same rows; -inf for pieces that no hypothesis may hold, but not for the end of sentence,
        nor in slots admitted with is_forced. For slots whose rules must see every piece."""

    def attention(self, slot: int) -> NDArray[np.float32]:
        """[positions, beams, source pieces]: what every row ever fed to a slot admitted with keep_attention looked at:
        the last layer's cross-attention weights, averaged over the heads. Where no row stood the values mean
        nothing."""

    def release(self, slots: Sequence[int]) -> None:
        """Frees slots."""

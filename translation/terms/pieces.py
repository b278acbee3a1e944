"""The terms of a sentence as pieces, as the search wants them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from dragoman.model.codec import Side
from dragoman.model.decoding.limits import MAX_TERM_PIECES
from dragoman.model.decoding.search.automaton import MAX_TERMS, Forms
from dragoman.translation.terms.matching import WantedTerm
from dragoman.translation.terms.outcomes import NO_PIECES, NO_ROOM, TOO_MANY

MIN_BEAM, MAX_BEAM = 4, 12
"""Bounds of the beam's width that terms need: a narrower one puts them where they do not belong."""


@dataclass(frozen=True, slots=True)
class GivenText:
    """The translation of a sentence that is a term and nothing else, whatever the model writes. A `Change`."""

    text: str

    def undo(self, _: str) -> str:
        """The given text."""
        return self.text


def encode_terms(
    terms: Sequence[WantedTerm], target: Side, forbidden_ids: Collection[int], room: int
) -> tuple[tuple[WantedTerm, ...], tuple[Forms, ...]]:
    """The terms, with a reason where one cannot be met, and the pieces of the others.

    forbidden_ids: pieces that no translation can hold. room: most pieces of all terms together.
    """
    judged: list[WantedTerm] = []
    encoded: list[Forms] = []
    num_pieces = 0
    for term in terms:
        forms = _encode_forms(term, target, forbidden_ids)
        num_pieces += sum(map(len, forms))
        length = min(map(len, forms), default=0)
        if not forms:
            judged.append(replace(term, reason=NO_PIECES))
        elif len(encoded) == MAX_TERMS or num_pieces > MAX_TERM_PIECES:
            judged.append(replace(term, reason=TOO_MANY))
        elif length > room:
            judged.append(replace(term, reason=NO_ROOM))
        else:
            room -= length
            judged.append(term)
            encoded.append(forms)
    return tuple(judged), tuple(encoded)


def wide_enough(beam_size: int, num_terms: int) -> int:
    """The beam for a sentence with terms: a place for hypotheses with each number of them, met or begun."""
    return max(beam_size, min(max(2 * num_terms + 2, MIN_BEAM), MAX_BEAM))


def _encode_forms(term: WantedTerm, target: Side, forbidden_ids: Collection[int]) -> Forms:
    """The forms, each by itself and behind each of the marks that may stand before it."""
    found: dict[tuple[int, ...], None] = {}
    for form in term.forms:
        for lead in ("", *term.leads):
            pieces = tuple(target.encode(lead + form))
            if pieces and not any(piece in forbidden_ids for piece in pieces):
                found[pieces] = None
    return tuple(found)

"""The automaton of terms against plain lists."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.decoding.search.automaton import Automaton, fitting
from tests.reference_beam import unmet

PIECES = st.integers(10, 13)
FORM = st.lists(PIECES, min_size=1, max_size=4).map(tuple)
TERMS = st.lists(st.lists(FORM, min_size=1, max_size=3).map(tuple), min_size=1, max_size=4)
Terms = list[tuple[tuple[int, ...], ...]]


def advancing(terms: Terms, tokens: list[int]) -> dict[int, set[int]]:
    """By piece that begins or continues a form after the tokens: the numbers of these forms' terms."""
    found: dict[int, set[int]] = {}
    for number, forms in enumerate(terms):
        for form in forms:
            for begun in range(len(form)):
                if begun <= len(tokens) and tuple(tokens[len(tokens) - begun :]) == form[:begun]:
                    found.setdefault(form[begun], set()).add(number)
    return found


@given(TERMS, st.lists(st.integers(10, 14), max_size=12))
def test_it_counts_the_terms_without_a_form_among_the_pieces(terms: Terms, tokens: list[int]) -> None:
    assert Automaton.of_terms(terms).count_unmet(tokens) == len(unmet(terms, tokens))


@given(TERMS, st.lists(st.integers(10, 14), max_size=12))
def test_it_knows_which_pieces_begin_or_continue_a_form(terms: Terms, tokens: list[int]) -> None:
    automaton = Automaton.of_terms(terms)
    columns = {piece: column for column, piece in enumerate(automaton.pieces.tolist())}
    node = 0
    for piece in tokens:
        node = int(automaton.moves[node, columns.get(piece, -1)])
    places = slice(automaton.offsets[node], automaton.offsets[node + 1])
    found = {
        piece: {number for number in range(len(terms)) if mask >> number & 1}
        for piece, mask in zip(automaton.advancing[places].tolist(), automaton.leads[places].tolist(), strict=True)
    }
    assert found == advancing(terms, tokens)


def test_terms_without_room_are_left_out() -> None:
    long, short, other = ((1, 2, 3), (4, 5)), ((6,),), ((7, 8),)
    assert fitting((long, short, other), 5) == (long, short, other)
    assert fitting((long, short, other), 4) == (long, short)
    assert fitting((long, short, other), 1) == (short,)
    assert fitting((long,), 0) == ()

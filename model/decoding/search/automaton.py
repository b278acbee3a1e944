"""The automaton of a sentence's terms (Aho and Corasick 1975): it reads a hypothesis piece by piece and knows which
forms end there, and which it could still complete."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_TERMS = 63
"""Most terms of a sentence: each is a bit of an int64."""

Masks = NDArray[np.int64]
"""Sets of terms: bit t stands for term t."""

_NEVER = np.iinfo(np.int32).max

Forms = tuple[tuple[int, ...], ...]
"""A term as the forms of which one must appear, each as its pieces."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """N nodes, of which 0 is the beginning; T terms; A pieces that occur in forms.

    A node stands for the longest beginning of a form with which the hypothesis ends.

    pieces:    [A] ascending.
    columns:   the number of each of them.
    moves:     [N, A + 1] the node after each of these pieces; in the last column, after any other piece: 0.
    completes: [N, most] for each form that ends at the node, the terms that have it; 0 for none.
    begun:     [N] the terms of which a form has begun that does not end here.
    depths:    [N] the pieces of this beginning.
    remaining: [N, T] the fewest pieces that lead to a form of each term.
    offsets, advancing, leads: the pieces that begin or continue a form at node v are
               advancing[offsets[v] : offsets[v + 1]]; leads has for each the terms of these forms.
    """

    pieces: NDArray[np.int32]
    columns: Mapping[int, int]
    moves: NDArray[np.int32]
    completes: Masks
    begun: Masks
    depths: NDArray[np.int32]
    remaining: NDArray[np.int32]
    offsets: NDArray[np.int32]
    advancing: NDArray[np.int32]
    leads: Masks

    @property
    def num_terms(self) -> int:
        return self.remaining.shape[1]

    @classmethod
    def of_terms(cls, terms: Sequence[Forms]) -> "Automaton":
        """terms: 1 to MAX_TERMS, each with a form at least; no form is empty."""
        children, ends = _trie(terms)
        fails = _suffixes(children)
        pieces = sorted({piece for node in children for piece in node})
        columns = {piece: column for column, piece in enumerate(pieces)}
        # Lists, since arrays this small take longer to touch than to make.
        moves = [[0] * (len(pieces) + 1) for _ in children]
        remaining = [[_NEVER] * len(terms) for _ in children]
        through = _continuations(terms, children, remaining)
        completes: list[list[int]] = [[] for _ in children]
        leads: list[dict[int, int]] = [{} for _ in children]
        begun, depths = [0] * len(children), [0] * len(children)
        for node in _by_depth(children):  # a suffix is shorter, so it comes first
            suffix = fails[node]
            completes[node] = [mask for mask in (ends[node],) if mask]
            if node:
                moves[node] = moves[suffix][:]
                completes[node] += completes[suffix]
                leads[node] = dict(leads[suffix])
                begun[node] = through[node] | begun[suffix]
                remaining[node] = list(map(min, remaining[node], remaining[suffix]))
            for piece, child in children[node].items():
                moves[node][columns[piece]] = child
                depths[child] = depths[node] + 1
                leads[node][piece] = leads[node].get(piece, 0) | through[child] | ends[child]
        listed = [(piece, mask) for node in leads for piece, mask in sorted(node.items())]
        most = max(map(len, completes))
        return cls(
            pieces=np.array(pieces, np.int32),
            columns=columns,
            moves=np.array(moves, np.int32),
            completes=np.array([[*masks, *[0] * (most - len(masks))] for masks in completes], np.int64),
            begun=np.array(begun, np.int64),
            depths=np.array(depths, np.int32),
            remaining=np.array(remaining, np.int32),
            offsets=np.cumsum([0, *map(len, leads)], dtype=np.int32),
            advancing=np.array([piece for piece, _ in listed], np.int32),
            leads=np.array([mask for _, mask in listed], np.int64),
        )

    def count_unmet(self, token_ids: Sequence[int]) -> int:
        """The number of terms without a form among these pieces."""
        moves, completes = self.moves.tolist(), self.completes.tolist()
        node = met = 0
        for piece in token_ids:
            node = moves[node][self.columns.get(piece, -1)]
            for mask in completes[node]:
                met |= first_term(mask & ~met)
        return self.num_terms - met.bit_count()


def first_term(mask: int) -> int:
    """The set of the first of these terms alone."""
    return mask & -mask


def fitting(terms: Sequence[Forms], room: int) -> tuple[Forms, ...]:
    """The terms, in order, whose shortest forms have room together; one that has none is left out. room: in pieces."""
    kept = []
    for forms in terms:
        length = min(map(len, forms))
        if length <= room:
            kept.append(forms)
            room -= length
    return tuple(kept)


def _trie(terms: Sequence[Forms]) -> tuple[list[dict[int, int]], list[int]]:
    """By node: its children by their pieces, and the terms of which a form ends there."""
    children: list[dict[int, int]] = [{}]
    ends = [0]
    for number, forms in enumerate(terms):
        for form in forms:
            node = 0
            for piece in form:
                if piece not in children[node]:
                    children[node][piece] = len(children)
                    children.append({})
                    ends.append(0)
                node = children[node][piece]
            ends[node] |= 1 << number
    return children, ends


def _continuations(terms: Sequence[Forms], children: list[dict[int, int]], remaining: list[list[int]]) -> list[int]:
    """By node, the terms of which a form runs through it. Writes to `remaining` [N, T] how far their ends are."""
    through = [0] * len(children)
    for number, forms in enumerate(terms):
        for form in forms:
            node = 0
            for depth, piece in enumerate(form):
                through[node] |= 1 << number
                remaining[node][number] = min(remaining[node][number], len(form) - depth)
                node = children[node][piece]
    return through


def _by_depth(children: list[dict[int, int]]) -> list[int]:
    """The nodes, parents first, level by level."""
    nodes, waiting = [], deque([0])
    while waiting:
        nodes.append(waiting.popleft())
        waiting.extend(children[nodes[-1]].values())
    return nodes


def _suffixes(children: list[dict[int, int]]) -> list[int]:
    """By node, the node of the longest proper suffix that begins a form, too."""
    fails = [0] * len(children)
    for node in _by_depth(children):
        for piece, child in children[node].items():
            suffix = fails[node]
            while node and suffix and piece not in children[suffix]:
                suffix = fails[suffix]
            fails[child] = children[suffix].get(piece, 0) if node else 0
    return fails

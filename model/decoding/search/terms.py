"""Terms that must appear in a translation: constraints of the beam, as data (Post and Vilar 2018).

The beam keeps its width. Its places go in turn to banks of hypotheses that have met, or begun, equally many terms, so
that those with a term survive beside likelier ones without it.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Extensions, Ints, Rows
from dragoman.model.decoding.search.automaton import Automaton, Masks
from dragoman.model.decoding.search.rule import Hypotheses, Pairs, Rule, SlotRules, join


class Candidates(NamedTuple):
    """Extensions of n slots from which a beam is chosen, in the order of slots (from 0 to n - 1), beams and pieces; [N]
    each.

    is_late: whether the slot's last position would come before all terms are met.
    banks:   terms met, twice; one more for a term that has begun.
    depths:  pieces of the form that has begun; 1 where none has.
    """

    slots: NDArray[np.intp]
    log_probs: NDArray[np.float64]
    parents: Ints
    token_ids: Ints
    is_late: NDArray[np.bool_]
    banks: NDArray[np.signedinteger]
    depths: Ints


def banked_order(found: Candidates) -> NDArray[np.intp]:
    """The candidates in the order of their slots, and in a slot in the order in which they get places.

    Late ones come last. The banks take turns, those with more terms first, and each gives its best one: the one that
    lost least, for each piece of a form that has begun, to the slot's likeliest candidate. So a form is completed once
    it has begun, unless it could begin better. Of equal ones, the lower beam and then the lower piece comes first.
    """
    best = np.full(int(found.slots.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(best, found.slots, found.log_probs)
    losses = (best[found.slots] - found.log_probs) / found.depths
    parts, num_banks = 2 * found.slots + found.is_late, int(found.banks.max(initial=0)) + 1
    groups = parts * num_banks + found.banks
    order = np.lexsort((losses, groups))
    groups, numbers = groups[order], np.arange(len(order))
    is_first = np.append(True, groups[1:] != groups[:-1])[: len(order)]
    rounds = numbers - np.maximum.accumulate(np.where(is_first, numbers, 0))
    turns = (parts[order] * (len(order) + 1) + rounds) * num_banks + num_banks - 1 - found.banks[order]
    return order[turns.argsort(kind="stable")]


class _Table(NamedTuple):
    """The automata of the slots with terms, one behind another; nodes are numbered across all of them.

    first_nodes: [slots] the beginning's number. keys: ascending, slot << 32 | piece for each automaton's pieces;
    columns: of the moves; others: [slots] the last column, of other pieces. move_rows: [nodes] where in `moves` the
    node's row begins.
    """

    first_nodes: NDArray[np.int64]
    keys: NDArray[np.int64]
    columns: NDArray[np.int64]
    others: NDArray[np.int64]
    moves: NDArray[np.int64]
    move_rows: NDArray[np.int64]
    completes: Masks
    begun: Masks
    depths: Ints
    remaining: Ints
    offsets: NDArray[np.int64]
    advancing: Ints
    leads: Masks


class Terms(Rule):
    """At least one form of each term appears in every hypothesis, as whole words, in any order.

    A form that occurs counts for the first unmet term that has it. The pieces of terms may be suppressed or repeated.
    Until all terms are met, no hypothesis ends, except at the last position or where nothing else is possible; the
    engine prefers those that meet more terms. Terms whose pieces have no room before the last position are left out,
    the later ones first.
    """

    def __init__(self, max_slots: int, eos_id: int) -> None:
        super().__init__(max_slots)
        self._eos_id = eos_id
        self._automata: dict[int, Automaton] = {}  # by slot
        self._joined: dict[int, Ints] = {}  # by slot: the pieces of which none follows a form that has just met a term
        self._beam_sizes, self._last = np.zeros((2, max_slots), np.int32)  # by slot; last: most pieces
        self._all = np.zeros(max_slots, np.int64)  # by slot: the set of its terms
        self._most_needed = np.zeros(max_slots, np.int32)  # by slot: the pieces of the shortest forms of all of them
        # By slot and beam: where the hypothesis stands, which terms it has met, and whether by its last piece.
        self._nodes = np.zeros((max_slots, 1), np.int64)
        self._met = np.zeros((max_slots, 1), np.int64)
        self._is_new = np.zeros((max_slots, 1), np.bool_)
        self._table: _Table | None = None  # None after slots came or went

    def begin(self, slot: int, rules: SlotRules) -> bool:
        if rules.automaton is None and slot not in self._automata:
            return False
        self._table = None
        if rules.automaton is None:
            del self._automata[slot]
            return False
        self._automata[slot], self._joined[slot] = rules.automaton, rules.joined_ids
        self._all[slot] = (1 << rules.automaton.num_terms) - 1
        self._most_needed[slot] = rules.automaton.remaining[0].sum()
        self._beam_sizes[slot], self._last[slot] = rules.beam_size, rules.max_length
        missing = rules.beam_size - self._nodes.shape[1]
        if missing > 0:
            padding = ((0, 0), (0, missing))
            self._nodes, self._met = np.pad(self._nodes, padding), np.pad(self._met, padding)
            self._is_new = np.pad(self._is_new, padding)
        self._nodes[slot, 0], self._met[slot, 0], self._is_new[slot, 0] = 0, 0, False
        return True

    def exclude(self, at: Hypotheses) -> Pairs:
        rows = np.flatnonzero(self.applies[at.slots])
        slots, beams = at.slots[rows], at.beams[rows]
        unmet = rows[self._met[slots, beams] != self._all[slots]]
        found = [Pairs(unmet, np.full(len(unmet), self._eos_id, np.int32))]
        for row in rows[self._is_new[slots, beams]].tolist():
            joined = self._joined[int(at.slots[row])]
            found.append(Pairs(np.full(len(joined), row), joined))
        return join(found)

    def want(self, at: Hypotheses) -> Pairs:
        rows = np.flatnonzero(self.applies[at.slots])
        slots, beams, table = at.slots[rows], at.beams[rows], self._find_table()
        nodes = self._nodes[slots, beams] + table.first_nodes[slots]
        counts = table.offsets[nodes + 1] - table.offsets[nodes]
        places = np.arange(counts.sum()) + (table.offsets[nodes] - counts.cumsum() + counts).repeat(counts)
        unmet = (self._all[slots] & ~self._met[slots, beams]).repeat(counts)
        leads = (table.leads[places] & unmet) != 0
        return Pairs(rows.repeat(counts)[leads], table.advancing[places[leads]])

    def widen(self, rows: Rows, target_size: int) -> Rows:
        """The rows, with more extensions of the slots with terms: the best of every row, so that unlikely hypotheses go
        on as well. A row may need those that survive, the end of sentence, and all wanted ones besides."""
        wanted = 0 if rows.wanted is None else np.maximum.reduceat(np.diff(rows.wanted.offsets), rows.offsets[:-1])
        counts = np.minimum(self._beam_sizes[rows.slots] + 1 + wanted, target_size)
        own, wider = self.applies[rows.slots] & (rows.num_extensions > 0), counts * np.diff(rows.offsets)
        return dataclasses.replace(
            rows,
            num_candidates=np.where(own, counts, rows.num_extensions).astype(np.int32),
            num_extensions=np.where(own, np.maximum(wider, rows.num_extensions), rows.num_extensions).astype(np.int32),
        )

    def constrain(self, rows: Rows, extensions: Extensions, is_free: NDArray[np.bool_]) -> None:
        """Puts the extensions of slots with terms in the order of the banks, with wanted pieces among them.

        is_free: [n] False where the slot is within its prefix.
        """
        which = np.flatnonzero(self.applies[rows.slots] & is_free)
        if not len(which):
            return
        found = self._judge(rows, which, self._gather(rows, which, extensions))
        order = banked_order(found)
        slots = found.slots[order]
        ranks = np.arange(len(order)) - np.searchsorted(slots, slots)
        kept = ranks < 2 * self._beam_sizes[rows.slots[which]][slots]
        order, places = order[kept], (which[slots[kept]], ranks[kept])
        extensions.log_probs[which] = -np.inf
        extensions.log_probs[places] = found.log_probs[order]
        extensions.parents[places], extensions.token_ids[places] = found.parents[order], found.token_ids[order]

    def _gather(self, rows: Rows, which: NDArray[np.intp], extensions: Extensions) -> Candidates:
        """The possible extensions of some slots, and the wanted pieces, each once. Not judged yet."""
        owners, columns = (extensions.log_probs[which] > -np.inf).nonzero()
        places = which[owners], columns
        totals, parents = extensions.log_probs[places], extensions.parents[places]
        token_ids = extensions.token_ids[places]
        if rows.wanted is not None:
            numbers = np.full(len(rows.slots), -1)
            numbers[which] = np.arange(len(which))
            of_rows = np.arange(len(rows.slots)).repeat(np.diff(rows.offsets))
            wanting = rows.wanted.rows()
            chosen = np.flatnonzero((numbers[of_rows[wanting]] >= 0) & (extensions.wanted > -np.inf))
            slots = of_rows[wanting[chosen]]
            owners = np.concatenate((owners, numbers[slots]))
            totals = np.concatenate((totals, extensions.wanted[chosen]))
            parents = np.concatenate((parents, (wanting[chosen] - rows.offsets[slots]).astype(np.int32)))
            token_ids = np.concatenate((token_ids, rows.wanted.token_ids[chosen]))
        keys = (owners << 40) | (parents.astype(np.int64) << 32) | token_ids  # a beam is less than 256
        order = keys.argsort(kind="stable")
        keys = keys[order]
        order = order[np.append(True, keys[1:] != keys[:-1])[: len(order)]]
        nothing = np.zeros(len(order), np.int32)
        return Candidates(owners[order], totals[order], parents[order], token_ids[order], nothing > 0, nothing, nothing)

    def _judge(self, rows: Rows, which: NDArray[np.intp], found: Candidates) -> Candidates:
        slots = rows.slots[which][found.slots]
        nodes, met = self._move(slots, found.parents, found.token_ids)
        unmet = self._all[slots] & ~met
        table = self._find_table()
        has_begun = (table.begun[nodes] & unmet) != 0
        banks = 2 * np.bitwise_count(met).astype(np.intp) + has_begun
        depths = np.where(has_begun, table.depths[nodes], np.int32(1))
        left = self._last[slots] - rows.positions[which][found.slots] - 1
        is_late = (found.token_ids == self._eos_id) & (unmet != 0)
        tight = np.flatnonzero((unmet != 0) & ~is_late & (left < self._most_needed[slots]))
        is_late[tight] = left[tight] < self._num_needed(nodes[tight], slots[tight], unmet[tight])
        return found._replace(is_late=is_late, banks=banks, depths=depths)

    def follow(self, at: Hypotheses, parents: Ints, token_ids: Ints) -> None:
        chosen = np.flatnonzero(self.applies[at.slots])
        slots, beams, parents = at.slots[chosen], at.beams[chosen], parents[chosen]
        before = self._met[slots, parents]
        nodes, met = self._move(slots, parents, token_ids[chosen])
        self._nodes[slots, beams] = nodes - self._find_table().first_nodes[slots]
        self._met[slots, beams], self._is_new[slots, beams] = met, met != before

    def _move(self, slots: Ints, parents: Ints, token_ids: Ints) -> tuple[NDArray[np.int64], Masks]:
        """The nodes and the met terms of hypotheses after one more piece."""
        table = self._find_table()
        keys = (slots.astype(np.int64) << 32) | token_ids
        places = np.searchsorted(table.keys, keys).clip(max=len(table.keys) - 1)
        columns = np.where(table.keys[places] == keys, table.columns[places], table.others[slots])
        nodes = self._nodes[slots, parents] + table.first_nodes[slots]
        nodes = table.moves[table.move_rows[nodes] + columns]
        met = self._met[slots, parents]
        for completed in table.completes[nodes].T:
            new = completed & ~met
            met |= new & -new
        return nodes, met

    def _num_needed(self, nodes: NDArray[np.int64], slots: Ints, unmet: Masks) -> NDArray[np.intp]:
        """The fewest pieces that complete the unmet terms one after another, after what has begun at the nodes."""
        table = self._find_table()
        shortest = table.remaining[table.first_nodes[slots]]
        is_unmet = (unmet[:, None] >> np.arange(shortest.shape[1])) & 1 == 1
        needed: NDArray[np.intp] = np.where(is_unmet, shortest, 0).sum(axis=1)
        gains: NDArray[np.intp] = np.where(is_unmet, shortest - table.remaining[nodes], 0).max(axis=1)
        return needed - gains

    def _find_table(self) -> _Table:
        if self._table is None:
            slots = [slot for slot in sorted(self._automata) if self.applies[slot]]
            self._table = _join(slots, [self._automata[slot] for slot in slots], len(self.applies))
        return self._table


def _join(slots: list[int], automata: list[Automaton], max_slots: int) -> _Table:
    """The table of the slots' automata."""
    numbers = np.array(slots)
    num_nodes = np.array([len(one.moves) for one in automata])
    widths = np.array([one.moves.shape[1] for one in automata])
    first_nodes, others = np.zeros((2, max_slots), np.int64)
    bases = num_nodes.cumsum() - num_nodes
    first_nodes[numbers], others[numbers] = bases, widths - 1
    sizes = num_nodes * widths
    row_bases = (sizes.cumsum() - sizes).repeat(num_nodes)
    in_automaton = np.arange(num_nodes.sum()) - bases.repeat(num_nodes)
    counts = np.concatenate([np.diff(one.offsets) for one in automata])
    most_forms = max(one.completes.shape[1] for one in automata)
    most_terms = max(one.num_terms for one in automata)
    return _Table(
        first_nodes=first_nodes,
        keys=np.concatenate(
            [(slot << 32) | one.pieces.astype(np.int64) for slot, one in zip(slots, automata, strict=True)]
        ),
        columns=np.concatenate([np.arange(len(one.pieces)) for one in automata]),
        others=others,
        moves=np.concatenate([one.moves.ravel() for one in automata]) + bases.repeat(sizes),
        move_rows=row_bases + in_automaton * widths.repeat(num_nodes),
        completes=np.concatenate([_widened(one.completes, most_forms) for one in automata]),
        begun=np.concatenate([one.begun for one in automata]),
        depths=np.concatenate([one.depths for one in automata]),
        remaining=np.concatenate([_widened(one.remaining, most_terms) for one in automata]),
        offsets=np.append(0, counts.cumsum()),
        advancing=np.concatenate([one.advancing for one in automata]),
        leads=np.concatenate([one.leads for one in automata]),
    )


def _widened(array: NDArray[np.signedinteger], width: int) -> NDArray[np.signedinteger]:
    """An array of rows, grown to a width with zeros."""
    if array.shape[1] == width:
        return array
    widened = np.zeros((len(array), width), array.dtype)
    widened[:, : array.shape[1]] = array
    return widened

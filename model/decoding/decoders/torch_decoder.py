"""The decoder in torch: any float type and device, with the readable networks."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import (
    Admission,
    ChosenPieces,
    Extensions,
    Floats,
    Given,
    GivenScore,
    Ints,
    Rows,
)
from dragoman.model.decoding.decoders.torch_memory import Places, PositionPool, SourceView, StepCache
from dragoman.model.decoding.search.beam import best_extensions, sort_pieces
from dragoman.model.network.network import Network, pad_batch

MAX_ENCODED_PIECES = 8192
"""Padded source pieces that are encoded at once."""

MAX_LOGITS = 1 << 24
"""Most logits of given translations scored at once, 64 MiB of float32, unless one translation has more."""


@dataclass(slots=True)
class _Sentence:
    """The state of a slot. attention: of every position fed, [beams, source pieces]; None if not requested."""

    source_places: Places
    target_places: list[Places] = field(default_factory=list)
    excluded: Tensor | None = None  # [vocab_size] True at the pieces that it must not be made of
    attention: list[NDArray[np.float32]] | None = None


class TorchDecoder:
    """A `model.decoding.decoder.Decoder`. It takes cached positions only when they are fed.

    The rows of a step are padded to the same number for every slot, as the network requires. With a type below float32,
    the softmax is still computed in float32.
    """

    def __init__(self, network: Network, *, forbidden_ids: Sequence[int] = (), max_slots: int = 64) -> None:
        """network: in evaluation mode. forbidden_ids: pieces that no hypothesis may contain, such as language tags."""
        self._network = network
        like = network.target_embedding.weight  # other weights may be integers
        self._device = like.device
        self._max_slots = max_slots
        self._vocab_size, self._eos_id = network.vocabulary.target_size, network.vocabulary.eos_id
        self._forbidden = torch.tensor(list(forbidden_ids), dtype=torch.int64, device=self._device)
        self._pool = PositionPool(network.memory, like=like)
        self._sentences: dict[int, _Sentence] = {}
        self._places: Places = np.zeros((max_slots, 0, 0), np.int32)  # by slot, beam and position, like the ancestry
        # By slot, of its source: the places, the last one repeated to the end, and how many are real.
        self._source_places: Places = np.zeros((max_slots, 1), np.int32)
        self._source_lengths = np.zeros(max_slots, np.int32)
        self._source: tuple[bytes, SourceView] | None = None  # of the slots that took the last step
        self._log_probs = torch.zeros(0, self._vocab_size)  # [R, vocab_size] of the last step
        self._attention: NDArray[np.float32] | None = None  # [n, widest, S] of the last step

    def replicate(self) -> None:
        """None: torch has threads of its own."""

    @property
    def max_slots(self) -> int:
        return self._max_slots

    @property
    def vocabulary(self) -> VocabularyShape:
        return self._network.vocabulary

    @property
    def max_source_length(self) -> int:
        return self._network.config.source_limit

    @property
    def max_target_length(self) -> int:
        return self._network.config.max_target_length

    @property
    def num_cached_positions(self) -> int:
        """Positions of sources and targets whose keys and values are kept now."""
        return self._pool.num_taken

    @torch.inference_mode()
    def admit(self, admissions: Sequence[Admission]) -> None:
        """See `Decoder`."""
        new: dict[int, _Sentence] = {}
        try:
            for group in _encoding_groups(admissions):
                self._encode(group, new)
        except BaseException:
            for sentence in new.values():
                self._pool.give_back(sentence.source_places)
            raise
        self._sentences |= new
        longest = max((len(admission.source_ids) for admission in admissions), default=0)
        if (missing := longest - self._source_places.shape[1]) > 0:
            lasts = self._source_places[:, -1:].repeat(missing, axis=1)
            self._source_places = np.concatenate((self._source_places, lasts), axis=1)
        for slot, sentence in new.items():
            length = len(sentence.source_places)
            self._source_lengths[slot] = length
            self._source_places[slot, :length] = sentence.source_places
            self._source_places[slot, length:] = sentence.source_places[-1]
        self._source = None

    def _encode(self, admissions: list[Admission], new: dict[int, _Sentence]) -> None:
        source = pad_batch([admission.source_ids for admission in admissions], self.vocabulary.pad_id).to(self._device)
        lengths = torch.tensor([len(admission.source_ids) for admission in admissions], device=self._device)
        source_mask = torch.arange(source.shape[1], device=self._device) < lengths.unsqueeze(1)
        encoded = self._network.encode(source, source_mask)
        projections = self._network.project_source(encoded)
        for admission in admissions:
            new[admission.slot] = _Sentence(
                self._pool.take(len(admission.source_ids)),
                excluded=self._excluded(admission),
                attention=[] if admission.keep_attention else None,
            )
        places = self._tensor(np.concatenate([new[one.slot].source_places for one in admissions]).astype(np.int64))
        # Computed on the host: indexing by a mask would wait for the device.
        lengths_here = np.array([len(admission.source_ids) for admission in admissions])
        real = self._tensor(np.flatnonzero(np.arange(source.shape[1]) < lengths_here[:, None]))
        for layer, projected in enumerate(projections):
            # [m, num_heads, S, d] -> [real pieces, num_heads, d]
            keys, values = (one.transpose(1, 2).flatten(0, 1).index_select(0, real) for one in projected)
            self._pool.write(layer, places, keys, values)
        firsts = self._tensor(np.array([new[one.slot].source_places[0] for one in admissions], np.int64))
        for layer, states in enumerate(self._network.initial_states(encoded, source_mask)):
            self._pool.write_states(layer, firsts, states)

    def _excluded(self, admission: Admission) -> Tensor | None:
        if admission.allowed_ids is None:
            return None
        excluded = torch.ones(self._vocab_size, dtype=torch.bool, device=self._device)
        excluded[self._tensor(admission.allowed_ids.astype(np.int64))] = False
        return excluded

    @torch.inference_mode()
    def advance(self, rows: Rows) -> None:
        """See `Decoder`. If it raises, nothing was fed."""
        self._reserve(rows.ancestry.shape[1], rows.ancestry.shape[2])
        counts = np.diff(rows.offsets)
        slots, positions = rows.slots.repeat(counts), rows.positions.repeat(counts)
        own = self._pool.take(rows.num_rows)
        try:
            beams = np.arange(rows.num_rows) - rows.offsets[:-1].repeat(counts)
            self._places[slots, beams, positions] = own
            logits = self._step(rows, counts)
            self._log_probs = self._normalize(logits, rows)
        except BaseException:
            self._pool.give_back(own)
            raise
        for index, (slot, position) in enumerate(zip(rows.slots.tolist(), rows.positions.tolist(), strict=True)):
            sentence = self._sentences[slot]
            for places in sentence.target_places[position:]:  # an ensemble may have to repeat a step
                self._pool.give_back(places)
            sentence.target_places[position:] = [own[rows.offsets[index] : rows.offsets[index + 1]]]
            if sentence.attention is not None:
                assert self._attention is not None, "the network has no attention"
                seen = self._attention[index, : counts[index], : len(sentence.source_places)]
                sentence.attention[position:] = [seen]

    def _step(self, rows: Rows, counts: Ints) -> Tensor:
        """Runs the network on the rows -> logits [R, vocab_size]."""
        widest, length = int(counts.max()), int(rows.positions.max()) + 1
        # Padding repeats a slot's last row; beyond its position, a row reads its own place.
        beams = np.minimum(np.arange(widest), counts[:, None] - 1)  # [n, widest]
        lineage = rows.ancestry[rows.slots[:, None], beams, :length]
        times = np.arange(length)
        lineage = np.where(times < rows.positions[:, None, None], lineage, beams[:, :, None])
        times = np.minimum(times, rows.positions[:, None])[:, None, :]
        read_places = self._places[rows.slots[:, None, None], lineage, times].reshape(-1, length)
        is_real = (np.arange(widest) < counts[:, None]).ravel()
        row_of = (rows.offsets[:-1, None] + beams).ravel()
        positions = rows.positions.repeat(widest)
        cache = StepCache(
            self._pool,
            self._source_view(rows.slots),
            is_real=is_real,
            read_places=read_places,
            lengths=positions + 1,
            first_places=self._source_places[rows.slots, 0].repeat(widest),
            watch=self._watch,
        )
        token_ids = self._tensor(rows.token_ids[row_of].astype(np.int64))
        logits = self._network.decode_step(token_ids, self._tensor(positions.astype(np.int64)), cache)
        return logits if is_real.all() else logits.index_select(0, self._tensor(np.flatnonzero(is_real)))

    def _normalize(self, logits: Tensor, rows: Rows) -> Tensor:
        """[R, vocab_size] logits -> log probabilities in float32 at least, -inf for forbidden pieces."""
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        for index, slot in enumerate(rows.slots.tolist()):
            excluded = self._sentences[slot].excluded
            if excluded is not None:
                logits[rows.offsets[index] : rows.offsets[index + 1]].masked_fill_(excluded, -torch.inf)
        return logits.log_softmax(dim=-1).index_fill_(1, self._forbidden, -torch.inf)

    @torch.inference_mode()
    def extend(self, rows: Rows, which: Ints) -> Extensions:
        """See `Decoder`."""
        chosen, offsets = rows.of_slots(which)
        log_probs = self._log_probs if len(which) == len(rows.slots) else self._log_probs[self._tensor(chosen)]
        num_extensions, num_candidates = rows.num_extensions[which], rows.candidates[which]
        wanted = ChosenPieces(rows.wanted, chosen, rows.num_rows)
        found = np.full(wanted.num_pieces, np.nan)
        if len(wanted.rows):
            places = self._tensor(wanted.rows), self._tensor(wanted.token_ids.astype(np.int64))
            found[wanted.places] = log_probs[places].cpu().double().numpy() + rows.log_probs[chosen[wanted.rows]]
        values, ids = self._best_pieces(
            log_probs, ChosenPieces(rows.excluded, chosen, rows.num_rows), int(num_candidates.max(initial=1))
        )
        extensions = best_extensions(values, ids, rows.log_probs[chosen], offsets, num_extensions, num_candidates)
        return dataclasses.replace(extensions, wanted=found)

    def _best_pieces(self, log_probs: Tensor, excluded: ChosenPieces, count: int) -> tuple[Floats, NDArray[np.intp]]:
        """The best pieces of the rows log_probs [R, V] and their log probabilities, [R, count] in the order of
        `sort_pieces`, without excluded ones."""
        places = self._tensor(excluded.rows), self._tensor(excluded.token_ids.astype(np.int64))
        kept = log_probs[places]
        log_probs[places] = -torch.inf  # in place: a copy would be of the whole vocabulary
        # One more, to find out whether the last place has equals.
        num_fetched = min(count + 1, self._vocab_size)
        top = log_probs.topk(num_fetched, dim=1)
        values, ids = sort_pieces(top.values.cpu().double().numpy(), top.indices.cpu().numpy())
        least = values[:, -1].copy()
        values, ids = values[:, :count], ids[:, :count]
        if num_fetched < self._vocab_size:
            tied = np.flatnonzero((values[:, -1] == least) & (least > -np.inf))
            for row, equals in zip(tied.tolist(), self._lowest_equals(log_probs, top.values, tied, count), strict=True):
                better = ids[row][values[row] > least[row]]
                ids[row] = np.concatenate((better, equals))[:count]
        log_probs[places] = kept
        stuck = np.flatnonzero(np.isneginf(values[:, 0]))
        if len(stuck):  # such a hypothesis may end
            values[stuck, 0] = log_probs[self._tensor(stuck), self._eos_id].cpu().double().numpy()
            ids[stuck, 0] = self._eos_id
        return values, ids

    def _lowest_equals(
        self, log_probs: Tensor, best: Tensor, rows: NDArray[np.intp], count: int
    ) -> list[NDArray[np.intp]]:
        """For each of the rows the lowest pieces, `count` at most, whose log probability is the last of the row's best
        [R, m]. All are found on the device, in one pass."""
        if not len(rows):
            return []
        places = self._tensor(rows)
        equals = log_probs.index_select(0, places) == best.index_select(0, places)[:, -1:]
        # The lowest piece has the highest rank; rank 0 is of the others.
        ranks = torch.arange(self._vocab_size, 0, -1, device=self._device) * equals
        found = (self._vocab_size - ranks.topk(count, dim=1).values).cpu().numpy()
        return [row[row < self._vocab_size] for row in found]

    @torch.inference_mode()
    def log_probs(self, rows: Rows, which: Ints) -> Floats:
        """See `Decoder`."""
        chosen, _ = rows.of_slots(which)
        found: Floats = self._log_probs[self._tensor(chosen)].cpu().double().numpy()
        return found

    @torch.inference_mode()
    def score(self, given: Sequence[Given]) -> list[GivenScore]:
        """See `Decoder`. Translations scored together may change each other's last digits."""
        scores: dict[int, GivenScore] = {}
        for numbers in _scoring_groups(given, self._vocab_size):
            scores.update(zip(numbers, self._score_together([given[number] for number in numbers]), strict=True))
        return [scores[number] for number in range(len(given))]

    def _score_together(self, given: Sequence[Given]) -> list[GivenScore]:
        """N translations as one batch."""
        source = pad_batch([one.source_ids for one in given], self.vocabulary.pad_id).to(self._device)
        lengths = torch.tensor([len(one.source_ids) for one in given], device=self._device)
        source_mask = torch.arange(source.shape[1], device=self._device) < lengths.unsqueeze(1)
        target = pad_batch([one.target_ids for one in given], self.vocabulary.pad_id).to(self._device)
        attention: list[Tensor] = []  # of each decoder layer, [N, num_heads, T, S]
        watch = attention.append if any(one.keep_attention for one in given) else None
        encoded = self._network.encode(source, source_mask)
        decoded = self._network.decode(encoded, source_mask, target[:, :-1], watch)
        logits = self._network.output_projection(decoded)  # [N, T, V]
        if logits.dtype in (torch.float16, torch.bfloat16):  # sums of exponentials need the range
            logits = logits.float()
        log_probs = logits.gather(2, target[:, 1:].unsqueeze(2)).squeeze(2) - logits.logsumexp(dim=2)  # [N, T]
        rows = log_probs.double().cpu().numpy()
        weights = attention[-1].mean(dim=1).float().cpu().numpy() if attention else None
        scores = []
        for number, one in enumerate(given):
            length = len(one.target_ids) - 1
            seen = weights[number, :length, : len(one.source_ids)].copy() if weights is not None else None
            scores.append(GivenScore(rows[number, :length].copy(), seen if one.keep_attention else None))
        return scores

    def attention(self, slot: int) -> NDArray[np.float32]:
        """See `Decoder`."""
        sentence = self._sentences[slot]
        assert sentence.attention is not None, "the slot was admitted without keep_attention"
        widest = max((len(beams) for beams in sentence.attention), default=0)
        result = np.zeros((len(sentence.attention), widest, len(sentence.source_places)), np.float32)
        for position, beams in enumerate(sentence.attention):
            result[position, : len(beams)] = beams
        return result

    def release(self, slots: Sequence[int]) -> None:
        """See `Decoder`."""
        for slot in slots:
            sentence = self._sentences.pop(slot)
            self._pool.give_back(np.concatenate((sentence.source_places, *sentence.target_places)))
        self._source = None

    def _source_view(self, slots: Ints) -> SourceView:
        numbers = slots.tobytes()
        if self._source is None or self._source[0] != numbers:
            lengths = self._source_lengths[slots]
            places = self._source_places[slots, : lengths.max()]
            self._source = (numbers, SourceView(self._pool, places, lengths))
        return self._source[1]

    def _watch(self, layer: int, weights: Tensor) -> None:
        """Keeps the last layer's weights, averaged over the heads, if any sentence asked for them."""
        if layer + 1 == self._network.memory.num_attentions and any(
            sentence.attention is not None for sentence in self._sentences.values()
        ):
            self._attention = weights.float().mean(dim=1).cpu().numpy()

    def _reserve(self, width: int, length: int) -> None:
        """Makes room in the table of places."""
        _, old_width, old_length = self._places.shape
        if width > old_width or length > old_length:
            missing = (max(width - old_width, 0), max(length - old_length, 0))
            self._places = np.pad(self._places, ((0, 0), (0, missing[0]), (0, missing[1])))

    def _tensor(self, array: NDArray[np.int64] | NDArray[np.intp] | NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _scoring_groups(given: Sequence[Given], vocab_size: int) -> Iterator[list[int]]:
    """The numbers of translations of like length, within MAX_LOGITS and MAX_ENCODED_PIECES when padded."""
    most_rows = max(1, MAX_LOGITS // vocab_size)
    group: list[int] = []
    longest_source = 0
    # Targets ascend, so the newest of a group is its longest.
    for number in sorted(range(len(given)), key=lambda n: (len(given[n].target_ids), len(given[n].source_ids))):
        one = given[number]
        longest_source = max(longest_source, len(one.source_ids))
        num_rows = (len(group) + 1) * (len(one.target_ids) - 1)
        if group and (num_rows > most_rows or (len(group) + 1) * longest_source > MAX_ENCODED_PIECES):
            yield group
            group, longest_source = [], len(one.source_ids)
        group.append(number)
    if group:
        yield group


def _encoding_groups(admissions: Sequence[Admission]) -> list[list[Admission]]:
    """Sentences of like length together, each group within MAX_ENCODED_PIECES when padded."""
    groups: list[list[Admission]] = []
    for admission in sorted(admissions, key=lambda admission: -len(admission.source_ids)):  # a group's longest is first
        if groups and (len(groups[-1]) + 1) * len(groups[-1][0].source_ids) <= MAX_ENCODED_PIECES:
            groups[-1].append(admission)
        else:
            groups.append([admission])
    return groups

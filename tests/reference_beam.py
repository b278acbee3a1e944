"""The oracle: a naive, uncached beam search over one sentence, slow and obvious, that the engine must agree with; and
below it another for all that the search options can ask for."""

import hashlib
import math
import struct
from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dragoman.model.decoding.request import TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.network import Network

Forms = Sequence[Sequence[int]]
"""A term: the forms of which one must appear."""


@torch.inference_mode()
def reference_beam_search(
    network: Network,
    source_ids: Sequence[int],
    options: SearchOptions,
    max_target_length: int,
    forbidden_ids: Collection[int] = (),
) -> list[TokenHypothesis]:
    start_id, eos_id = network.vocabulary.start_id, network.vocabulary.eos_id
    source = torch.tensor([list(source_ids)])
    source_mask = torch.ones_like(source, dtype=torch.bool)
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[TokenHypothesis] = []
    for position in range(max_target_length):
        extensions: list[tuple[float, list[int]]] = []
        for log_prob, tokens in live:
            logits = network(source, source_mask, torch.tensor([[start_id, *tokens]]))
            for piece, piece_log_prob in enumerate(logits[0, -1].log_softmax(dim=0).tolist()):
                if piece in forbidden_ids or (piece == eos_id and position == 0):
                    continue
                extensions.append((log_prob + piece_log_prob, [*tokens, piece]))
        extensions.sort(key=lambda extension: -extension[0])
        penalty = ((5 + position + 1) / 6) ** options.length_penalty
        is_last = position + 1 == max_target_length
        live = []
        for rank, (log_prob, tokens) in enumerate(extensions[: 2 * options.beam_size]):
            ends = tokens[-1] == eos_id
            if (ends or is_last) and rank < options.beam_size:
                finished.append(TokenHypothesis(tuple(tokens[:-1] if ends else tokens), log_prob / penalty))
            if not ends and len(live) < options.beam_size:
                live.append((log_prob, tokens))
        if len(finished) >= options.beam_size:
            break
    finished.sort(key=lambda hypothesis: -hypothesis.score)
    return finished[: options.n_best]


@torch.inference_mode()
def reference_search(
    network: Network | Sequence[Network],
    source_ids: Sequence[int],
    options: SearchOptions,
    max_target_length: int,
    forbidden_ids: Collection[int] = (),
    *,
    prefix_ids: Sequence[int] = (),
    suppressed_ids: Collection[int] = (),
    allowed_ids: Collection[int] | None = None,
    terms: Sequence[Forms] = (),
    joined_ids: Collection[int] = (),
) -> list[TokenHypothesis]:
    """Beam search or sampling with all options. Several networks are an ensemble: the mean of their probabilities."""
    terms = _with_room(terms, max_target_length - len(prefix_ids))
    networks = [network] if isinstance(network, Network) else list(network)
    eos_id = networks[0].vocabulary.eos_id

    def next_piece(tokens: Sequence[int]) -> list[float]:
        probabilities = [_probabilities(one, source_ids, tokens, allowed_ids) for one in networks]
        mean = torch.stack(probabilities).mean(dim=0).log().tolist()
        return [-math.inf if piece in forbidden_ids else log_prob for piece, log_prob in enumerate(mean)]

    def possible(tokens: Sequence[int]) -> list[tuple[int, float]]:
        """The pieces that may follow, with their log probabilities."""
        log_probs = next_piece(tokens)
        if len(tokens) < len(prefix_ids):
            forced = prefix_ids[len(tokens)]
            return [(forced, log_probs[forced] if log_probs[forced] > -math.inf else 0.0)]
        found = []
        for piece, log_prob in enumerate(log_probs):
            too_short = piece == eos_id and (len(tokens) < options.min_target_length or unmet(terms, tokens))
            joins = piece in joined_ids and len(unmet(terms, tokens)) < len(unmet(terms, tokens[:-1]))
            repeats = _repeats([*tokens, piece], options.no_repeat_ngram_size) and piece != eos_id
            if log_prob > -math.inf and not too_short and not joins and not repeats and piece not in suppressed_ids:
                found.append((piece, log_prob))
        found = found or [(eos_id, log_probs[eos_id])]
        advancing = {form[begun] for term in unmet(terms, tokens) for form, begun in _beginnings(terms[term], tokens)}
        wanted = advancing.difference(piece for piece, _ in found)
        return found + [(piece, log_probs[piece]) for piece in sorted(wanted) if log_probs[piece] > -math.inf]

    def finish(log_prob: float, tokens: list[int], steps: list[float]) -> TokenHypothesis:
        length = len(tokens)
        base = (5 + length) / 6 if options.length_normalization == "gnmt" else length
        score = log_prob / base**options.length_penalty
        attention = np.mean([_attention(one, source_ids, tokens) for one in networks], axis=0)
        if options.coverage_penalty:
            for source in range(len(source_ids)):
                score += options.coverage_penalty * math.log(min(sum(attention[:, source].tolist()), 1.0))
        pieces = tuple(tokens[:-1] if tokens[-1] == eos_id else tokens)
        return TokenHypothesis(pieces, score, tuple(steps), attention if options.return_attention else None)

    search = partial(_search, terms=terms)
    if options.sampling_temperature is not None:
        search = partial(_sample, source_ids=source_ids)
    finished = [
        finish(*hypothesis) for hypothesis in search(possible, options, max_target_length, len(prefix_ids), eos_id)
    ]
    finished.sort(key=lambda hypothesis: (len(unmet(terms, hypothesis.token_ids)), -hypothesis.score))
    return finished[: options.n_best]


def unmet(terms: Sequence[Forms], tokens: Sequence[int]) -> list[int]:
    """The numbers of the terms that have no form of their own among the tokens: one that occurs counts for the first
    term that still needs it."""
    needed = list(range(len(terms)))
    for end in range(1, len(tokens) + 1):
        for form in sorted({tuple(form) for forms in terms for form in forms}, key=len, reverse=True):
            if len(form) <= end and tuple(tokens[end - len(form) : end]) == form:
                takers = [number for number in needed if form in map(tuple, terms[number])]
                if takers:
                    needed.remove(takers[0])
    return needed


def _beginnings(forms: Forms, tokens: Sequence[int]) -> list[tuple[Sequence[int], int]]:
    """Each form with the number of its pieces with which the tokens end, 0 included."""
    return [
        (form, begun)
        for form in forms
        for begun in range(len(form))
        if begun <= len(tokens) and list(tokens[len(tokens) - begun :]) == list(form[:begun])
    ]


def _with_room(terms: Sequence[Forms], room: int) -> list[Forms]:
    kept: list[Forms] = []
    for forms in terms:
        if sum(min(map(len, one)) for one in [*kept, forms]) <= room:
            kept.append(forms)
    return kept


def _by_banks(extensions: "Found", terms: Sequence[Forms], max_target_length: int, eos_id: int) -> "Found":
    """In the order in which the banks give them places in the beam."""
    turns: dict[tuple[bool, int], int] = {}
    judged, placed = [], []
    best = max((log_prob for log_prob, _, _ in extensions), default=0.0)
    for extension in extensions:
        log_prob, tokens, _ = extension
        needed = unmet(terms, tokens)
        lengths = {number: min(map(len, terms[number])) for number in needed}
        beginnings = [(number, *one) for number in needed for one in _beginnings(terms[number], tokens)]
        gained = max((lengths[number] - len(form) + begun for number, form, begun in beginnings), default=0)
        is_late = bool(needed) and (
            tokens[-1] == eos_id or len(tokens) + sum(lengths.values()) - gained > max_target_length
        )
        has_begun = any(begun for _, _, begun in beginnings)
        bank = 2 * (len(terms) - len(needed)) + has_begun
        longest = max(
            length
            for forms in terms
            for form in forms
            for length in range(len(form) + 1)
            if length <= len(tokens) and list(tokens[len(tokens) - length :]) == list(form[:length])
        )
        loss = (best - log_prob) / (longest if has_begun else 1)
        judged.append((loss, is_late, bank, extension))
    for _, is_late, bank, extension in sorted(judged, key=lambda one: one[0]):
        turn = turns[is_late, bank] = turns.get((is_late, bank), -1) + 1
        placed.append(((is_late, turn, -bank), extension))
    return [extension for _, extension in sorted(placed, key=lambda one: one[0])]


Found = list[tuple[float, list[int], list[float]]]
"""Hypotheses: log probability, pieces with the end of sentence, log probability of each piece."""
Possible = Callable[[Sequence[int]], list[tuple[int, float]]]


def _search(
    possible: Possible,
    options: SearchOptions,
    max_target_length: int,
    _prefix_length: int,
    eos_id: int,
    *,
    terms: Sequence[Forms],
) -> Found:
    live: Found = [(0.0, [], [])]
    finished: Found = []
    for position in range(max_target_length):
        extensions = [
            (log_prob + step, [*tokens, piece], [*steps, step])
            for log_prob, tokens, steps in live
            for piece, step in possible(tokens)
        ]
        extensions.sort(key=lambda extension: -extension[0])
        if terms:
            extensions = _by_banks(extensions, terms, max_target_length, eos_id)
        is_last = position + 1 == max_target_length
        live = []
        for rank, extension in enumerate(extensions[: 2 * options.beam_size]):
            ends = extension[1][-1] == eos_id
            if (ends or is_last) and rank < options.beam_size:
                finished.append(extension)
            if not ends and len(live) < options.beam_size:
                live.append(extension)
        if len(finished) >= options.beam_size:
            break
    return finished


def _sample(
    possible: Possible,
    options: SearchOptions,
    max_target_length: int,
    prefix_length: int,
    eos_id: int,
    *,
    source_ids: Sequence[int],
) -> Found:
    packed = struct.pack(f"<{len(source_ids)}i", *source_ids)
    sentence = int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little")
    return [
        _draw_one(possible, options, max_target_length, prefix_length, sentence, sample, eos_id)
        for sample in range(options.n_best)
    ]


def _draw_one(
    possible: Possible,
    options: SearchOptions,
    max_target_length: int,
    prefix_length: int,
    sentence: int,
    sample: int,
    eos_id: int,
) -> tuple[float, list[int], list[float]]:
    tokens: list[int] = []
    steps: list[float] = []
    while len(tokens) < max_target_length and tokens[-1:] != [eos_id]:
        pieces = possible(tokens)
        if len(tokens) < prefix_length:
            piece, step = pieces[0]
        else:
            key, counter = np.array([options.seed, sentence], np.uint64), np.array([0, 0, sample, len(tokens)])
            number = (int(np.random.Philox(key=key, counter=counter).random_raw()) >> 11) / 2**53
            piece, step = _draw(pieces, options, number)
        tokens.append(piece)
        steps.append(step)
    return sum(steps), tokens, steps


def _draw(pieces: list[tuple[int, float]], options: SearchOptions, number: float) -> tuple[int, float]:
    assert options.sampling_temperature is not None
    best_first = sorted(pieces, key=lambda pair: -pair[1])
    if options.sampling_top_k:
        best_first = best_first[: options.sampling_top_k]
    weights = [math.exp(log_prob / options.sampling_temperature) for _, log_prob in best_first]
    num_kept, covered = 0, 0.0
    while num_kept < len(best_first) and covered < options.sampling_top_p * sum(weights):
        covered += weights[num_kept]
        num_kept += 1
    by_piece = sorted(zip(best_first[:num_kept], weights[:num_kept], strict=True))
    left = number * sum(weights[:num_kept])
    for pair, weight in by_piece:
        left -= weight
        if left < 0:
            return pair
    return by_piece[-1][0]


def _repeats(tokens: Sequence[int], size: int) -> bool:
    """Whether the last `size` pieces stood together before."""
    ngrams = [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
    return size > 0 and len(tokens) >= size and ngrams[-1] in ngrams[:-1]


def _probabilities(
    network: Network, source_ids: Sequence[int], tokens: Sequence[int], allowed_ids: Collection[int] | None
) -> Tensor:
    """[V] of the next piece."""
    source = torch.tensor([list(source_ids)])
    logits = network(
        source, torch.ones_like(source, dtype=torch.bool), torch.tensor([[network.vocabulary.start_id, *tokens]])
    )[0, -1]
    if allowed_ids is not None:
        for piece in range(len(logits)):
            if piece not in allowed_ids:
                logits[piece] = -math.inf
    probabilities: Tensor = logits.softmax(dim=0)
    return probabilities


def _attention(network: Network, source_ids: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
    """[target pieces, source pieces] what the last layer looked at when it said each piece, averaged over the heads."""
    source = torch.tensor([list(source_ids)])
    source_mask = torch.ones_like(source, dtype=torch.bool)
    seen: list[Tensor] = []
    encoded = network.encode(source, source_mask)
    network.decode(encoded, source_mask, torch.tensor([[network.vocabulary.start_id, *tokens[:-1]]]), seen.append)
    if not seen:  # a network without attention, of which nobody asks for any
        return np.zeros((len(tokens), len(source_ids)), np.float32)
    weights: NDArray[np.float32] = seen[-1][0].mean(dim=0).numpy()
    return weights

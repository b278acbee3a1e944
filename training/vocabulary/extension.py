"""A larger vocabulary for a model that goes on learning on other text: the pieces that it has keep their ids."""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

import sentencepiece

from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import PieceModel, PieceModelOptions, language_tag, train_piece_model

WORD_BEGINNING = "▁"
"""How SentencePiece writes the space before a word."""

MAX_PIECE_LENGTH = 16
"""As SentencePiece's max_sentencepiece_length."""

_GAIN = 0.2
"""How much likelier a new piece of a unigram model is, in nats, than the two that it joins, at least."""

_Pair = tuple[str, str]


def extend_piece_model(
    model: PieceModel, texts: Iterable[str], options: PieceModelOptions, *, languages: Sequence[str] = ()
) -> PieceModel:
    """The model with new pieces behind its own, up to `options.size`: tags of these languages that it lacks; the
    user-defined ones; characters of the texts, rare ones left out by `character_coverage`; and the most frequent
    neighbours in the texts as the model splits them, joined again and again (Sennrich et al. 2016). Pieces do not cross
    words and hold either letters or signs.

    With `split_digits` its pieces with several digits are not used any more. Its type stays; the normalization becomes
    that of the options. Deterministic. Raises InvalidInputError if it is neither unigram nor BPE, is not smaller than
    `options.size`, or the texts give too few pieces.
    """
    kind = model.type()
    if kind == "other":
        raise InvalidInputError("the vocabulary cannot be extended: it is neither unigram nor BPE")
    if model.size >= options.size:
        raise InvalidInputError(f"vocabulary.size: {options.size} is not more than the {model.size} pieces at hand")
    proto = _read(model.serialized)
    kinds = type(proto).SentencePiece
    proto.normalizer_spec.CopyFrom(_normalizer(options))
    if options.split_digits:
        for piece in proto.pieces:
            text = piece.piece.strip(WORD_BEGINNING)
            if piece.type == kinds.NORMAL and len(text) > 1 and re.search(r"\d", text):
                piece.type = kinds.UNUSED
    scores = {piece.piece: piece.score for piece in proto.pieces}

    def add(piece: str, score: float, kind: int = kinds.NORMAL) -> None:
        proto.pieces.add(piece=piece, score=score, type=kind)
        scores[piece] = score

    for tag in map(language_tag, sorted(set(languages))):
        if tag not in scores:
            add(tag, 0.0, kinds.CONTROL)
    for text in options.user_defined:
        if text not in scores:
            add(text, 0.0, kinds.USER_DEFINED)
    processor = _processor(proto)
    lines = [processed for text in texts if (processed := processor.normalize(text))]
    lowest = min(piece.score for piece in proto.pieces if piece.type == kinds.NORMAL)
    characters = Counter(character for line in lines for character in line)
    for number, character in enumerate(_frequent(characters, options.character_coverage)):
        if character not in scores:
            likelihood = math.log(characters[character] / characters.total())
            add(character, min(likelihood, lowest) - 0.5 if kind == "unigram" else lowest - 1 - number)
    processor = _processor(proto)
    words = Counter(word for line in lines for word in line.replace(WORD_BEGINNING, " ").split())
    segmented = [(processor.encode(word, out_type=str), count) for word, count in words.items()]
    merges = _Merges(segmented)
    lowest = min(piece.score for piece in proto.pieces)
    while len(proto.pieces) < options.size:
        best = merges.take()
        if best is None:
            raise InvalidInputError(f"vocabulary.size: the corpus gives only {len(proto.pieces)} pieces")
        (first, second), count = best
        if first + second in scores:
            continue
        lowest -= 1
        together = scores.get(first, lowest) + scores.get(second, lowest) + _GAIN
        add(first + second, max(math.log(count / merges.total), together) if kind == "unigram" else lowest)
    proto.trainer_spec.vocab_size = len(proto.pieces)
    return PieceModel(proto.SerializeToString())


def _read(serialized: bytes) -> Any:
    from sentencepiece import sentencepiece_model_pb2 as protobuf

    return protobuf.ModelProto.FromString(serialized)  # type: ignore[attr-defined]


def _processor(proto: Any) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())


def _frequent(characters: Counter[str], coverage: float) -> list[str]:
    """The most frequent characters, until they make up this share of the text; no space and no control."""
    wanted = coverage * characters.total()
    frequent, covered = [], 0
    for character, count in sorted(characters.items(), key=lambda item: (-item[1], item[0])):
        if covered >= wanted:
            break
        covered += count
        if not character.isspace() and unicodedata.category(character) != "Cc" and character != WORD_BEGINNING:
            frequent.append(character)
    return frequent


def _joins(first: str, second: str) -> bool:
    """Whether two neighbours may become one piece."""
    text = (first + second).removeprefix(WORD_BEGINNING)
    if len(text) >= MAX_PIECE_LENGTH or "<0x" in text:
        return False
    return text.isalpha() or all(unicodedata.category(character)[0] in "PS" for character in text)


class _Merges:
    """The neighbours in segmented words, the most frequent first; taking a pair joins it everywhere."""

    def __init__(self, words: Sequence[tuple[list[str], int]]) -> None:
        """words: the pieces of each, and how often it occurs."""
        self._words = [*words]
        self._counts: Counter[_Pair] = Counter()
        self._places: defaultdict[_Pair, set[int]] = defaultdict(set)
        self.total = 0
        for place, (pieces, count) in enumerate(words):
            self.total += count * len(pieces)
            for pair in pairwise(pieces):
                self._counts[pair] += count
                self._places[pair].add(place)
        self._heap = [(-count, pair) for pair, count in self._counts.items() if _joins(*pair)]
        heapify(self._heap)

    def take(self) -> tuple[_Pair, int] | None:
        """The most frequent pair and its count; None if no pair is left that may be joined."""
        while self._heap:
            negative, pair = heappop(self._heap)
            count = self._counts[pair]
            if count == -negative:
                self._join(pair)
                return pair, count
            if count > 0:  # other merges took some of them
                heappush(self._heap, (-count, pair))
        return None

    def _join(self, pair: _Pair) -> None:
        changed: set[_Pair] = set()
        for place in self._places.pop(pair):
            pieces, count = self._words[place]
            for neighbours in pairwise(pieces):
                self._counts[neighbours] -= count
                changed.add(neighbours)
            joined: list[str] = []
            for piece in pieces:
                if joined and (joined[-1], piece) == pair:
                    joined[-1] += piece
                else:
                    joined.append(piece)
            self._words[place] = (joined, count)
            for neighbours in pairwise(joined):
                self._counts[neighbours] += count
                self._places[neighbours].add(place)
                changed.add(neighbours)
        for neighbours in sorted(changed):
            if self._counts[neighbours] > 0 and _joins(*neighbours):
                heappush(self._heap, (-self._counts[neighbours], neighbours))


def _normalizer(options: PieceModelOptions) -> Any:
    """The normalizer of a tiny model that is learnt with these options: rules are compiled nowhere else."""
    tiny = PieceModelOptions(size=300, normalization=options.normalization, rules=options.rules)
    return _read(train_piece_model(["a b c"], tiny, languages=()).serialized).normalizer_spec

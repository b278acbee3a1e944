"""A small lexicon of words and their translations, from a parallel corpus: IBM Model 1 in both directions."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dragoman.model.config import VocabularyShape
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.learning.translation_table import learn_translation_table

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NUM_ITERATIONS = 5

_SMALLEST_PROBABILITY = 0.3
"""Of a translation, in both directions."""

_FEWEST_OCCURRENCES = 3
_MOST_FREQUENT_LEFT_OUT = 100
"""Words of a side that are no terms: articles, pronouns, auxiliaries."""

_EMPTY, _OTHER, _FIRST = 0, 1, 2
"""Ids: the empty word, which is in every source; rare words; the first of the rest."""


def learn_lexicon(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Source words with the target word that translates each, where both directions agree. Words are as written: a
    form is the translation of a form. Deterministic."""
    sides = [[_WORD.findall(text) for text in side] for side in zip(*pairs, strict=True)]
    if not sides:
        return {}
    words = [_known_words(side) for side in sides]
    there, back = (_best_translations(sides[way], sides[1 - way], words[way], words[1 - way]) for way in (0, 1))
    common = [set(known[:_MOST_FREQUENT_LEFT_OUT]) for known in words]
    return {
        source: target
        for source, target in sorted(there.items())
        if back.get(target) == source and source not in common[0] and target not in common[1]
    }


def _known_words(side: Iterable[Sequence[str]]) -> list[str]:
    """The words that occur often enough, the most frequent first."""
    counts = Counter(word for words in side for word in words)
    often = [word for word, count in counts.items() if count >= _FEWEST_OCCURRENCES]
    return sorted(often, key=lambda word: (-counts[word], word))


def _best_translations(
    sources: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    source_words: Sequence[str],
    target_words: Sequence[str],
) -> dict[str, str]:
    source_ids, target_ids = (
        {word: _FIRST + number for number, word in enumerate(words)} for words in (source_words, target_words)
    )
    shape = VocabularyShape(
        source_size=_FIRST + len(source_words), target_size=_FIRST + len(target_words), joint=False, pad_id=_EMPTY
    )
    corpus = EncodedCorpus(
        EncodedSide.pack([[_EMPTY, *_encode(words, source_ids)] for words in sources]),
        EncodedSide.pack([_encode(words, target_ids) or [_OTHER] for words in targets]),
        SkippedPairs(),
        shape,
    )
    table = learn_translation_table(corpus, _NUM_ITERATIONS)
    best: dict[str, str] = {}
    likely = np.flatnonzero(table.probabilities >= _SMALLEST_PROBABILITY)
    for entry in likely[np.argsort(table.probabilities[likely], kind="stable")].tolist():
        source, target = int(table.sources[entry]), int(table.targets[entry])
        if min(source, target) >= _FIRST:
            best[source_words[source - _FIRST]] = target_words[target - _FIRST]
    return best


def _encode(words: Sequence[str], ids: Mapping[str, int]) -> list[int]:
    return [ids.get(word, _OTHER) for word in words]

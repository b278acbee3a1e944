"""What a bundle keeps of its training text beside the weights: the words by which names are judged, and the length up
to which it translates a sentence as a whole."""

from collections.abc import Sequence

from dragoman.model.known_words import NO_KNOWN_WORDS, KnownWords
from dragoman.training.corpus.cache import CachedCorpus, ParallelFiles
from dragoman.training.corpus.known_words import count_pairs, count_words
from dragoman.training.corpus.mixture import Mixture
from dragoman.training.run.initialization import InitialBundle

MIN_PAIRS = 20_000
"""Of a run that learns to judge names: a model of 161,000 pairs of Tatoeba that was given the words of 20,000 of them
lost 0.5 BLEU, and 4.4 with those of 2,000, since every other word passed for a name."""

FLUENT_SHARE = 0.99
"""Share of the training sentences that are not longer: that of DEFAULT_FLUENT_LENGTH among Tatoeba's."""

MIN_FLUENT_LENGTH = 12
"""Pieces: a model of short texts, such as those of buttons, gets no shorter parts of a sentence than this."""


def learn_words(train: Sequence[ParallelFiles], initial: InitialBundle | None) -> KnownWords:
    """The words of the corpus, and those of the initial bundle. If that has none, or the corpus is small, there are
    none: they would not be all that the model knows."""
    if initial is not None:
        before = initial.known_words
        return before.joined(count_words(train)) if before.digests else NO_KNOWN_WORDS
    return count_words(train) if count_pairs(train) >= MIN_PAIRS else NO_KNOWN_WORDS


def learn_fluent_length(corpus: CachedCorpus | Mixture, initial: InitialBundle | None) -> int | None:
    """Pieces that FLUENT_SHARE of the source sentences do not exceed; in fine-tuning the initial bundle's, which has
    met more text."""
    if initial is not None:
        return initial.info.fluent_length
    return max(MIN_FLUENT_LENGTH, corpus.length_of_share(FLUENT_SHARE))

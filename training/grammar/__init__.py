"""A small English–German grammar that makes endless parallel sentences, for training and tests.

Bottom up: `words` and `lexicon`, `structure` (sentences in neither language), `english` and `german` (their words in
each language), `sentences` (random sentences) and `corpus` (files).
"""

from dragoman.training.grammar.corpus import generate_pairs, write_corpus

__all__ = ["generate_pairs", "write_corpus"]

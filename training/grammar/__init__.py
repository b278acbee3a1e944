"""A small English–German grammar that makes parallel sentences without end, to train on and to test with.

From the words up: `words` and `lexicon`, then `structure` (what a sentence says), `english` and `german` (how each
language puts it), `sentences` (what is said) and `corpus` (the files).
"""

from dragoman.training.grammar.corpus import generate_pairs, write_corpus

__all__ = ["generate_pairs", "write_corpus"]

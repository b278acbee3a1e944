"""Vocabularies: learnt from a corpus, or grown from another model's."""

"""Synthetic parallel corpora: text of one side and its translations by a model."""

"""Beam search over a decoder: the contract between them, what is asked for, and what is found."""

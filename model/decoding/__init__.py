"""Beam search over a decoder: the contract between the two, requests and results."""

"""Decoders compute log probabilities: in C++, with torch, or as the mean of several."""

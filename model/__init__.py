"""The network, the vocabulary, the bundle on disk, and `model.decoding`: everything that turns text into text."""

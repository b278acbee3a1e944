"""Numbers: the network, the bundle on disk, the vocabulary and decoding. Piece ids go in, piece ids come out."""

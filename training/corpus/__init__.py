"""Parallel text: reading it, keeping it encoded on the disk, making batches of it."""

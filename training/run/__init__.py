"""A training run: its folder, checkpoints, resumption and display."""

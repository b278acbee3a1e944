"""A training run: its folder, what it keeps, how it goes on, what it shows."""

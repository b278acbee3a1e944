"""From the words that people paste to those that a model can read, and back."""

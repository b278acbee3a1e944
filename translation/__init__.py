"""Text: from a text to its translation, sentence by sentence, and scores of given translations."""

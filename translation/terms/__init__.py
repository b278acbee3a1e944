"""Terms with a given translation: glossaries, the terms of a sentence, and what became of them."""

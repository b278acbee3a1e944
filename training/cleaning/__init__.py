"""Finding and removing what spoils a parallel corpus: pairs that are broken, unrelated, or there already."""

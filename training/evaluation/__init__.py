"""How good a model is, and what is measured or combined of its translations."""

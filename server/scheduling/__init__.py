"""Who is next: calls wait in a queue before the engine of their model, and its thread works on them."""

"""From text to text: the slot cache, the pure beam step, the in-flight engine, and the translator that drives it."""

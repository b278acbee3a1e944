"""The network's inner numbers for one sentence and its translation, in NumPy: for looking at them, where speed counts
little. Any processor has them, whatever decodes."""

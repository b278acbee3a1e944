"""Evaluation: metrics, validation, test sets, and combining systems' translations."""

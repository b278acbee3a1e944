"""A team's own files, whatever their format, made into a corpus with dev and test sets and a configuration for it."""

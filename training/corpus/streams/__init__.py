"""Corpora in shards: found, opened and read record by record, local or in a store, never held whole."""

"""Translation orders in, outcomes out, independent of the protocol."""

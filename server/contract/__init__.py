"""The contract of proto/: requests become orders, and outcomes become responses. Every transport of it uses this."""

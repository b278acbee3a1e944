"""The gRPC service around the decoding engine, its client, and batch jobs. Never imports torch itself."""

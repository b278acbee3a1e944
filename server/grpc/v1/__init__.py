"""The contract over gRPC."""

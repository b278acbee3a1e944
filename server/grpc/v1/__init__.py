"""The service that translation.proto defines: messages to dataclasses and back, errors to status codes."""

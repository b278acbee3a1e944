"""The service of translation.proto: converts messages to dataclasses and back, and errors to status codes."""

"""The server and its client: everything between a request on the wire and the engine that decodes it."""

"""Which models are served: loaded, found for a call, replaced and closed while the server runs."""

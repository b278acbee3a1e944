"""From text to text: the engine, which searches on the host, the decoders, which compute, and the translator."""

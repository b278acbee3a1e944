"""The catalogue of served models: loads them, finds one for a call, replaces and closes them while the server runs."""

"""The page: what a browser shows at the port of HTTP."""

"""gRPC: the server, its interceptors, and the services on its port."""

"""google.cloud.translation.v3 on the server's port, for Google's clients; needs the extra `google`."""

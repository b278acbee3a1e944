"""google.cloud.translation.v3 on the server's port, for clients of Google's; needs the extra `google`."""

"""Access: tokens, certificates, quotas, and warnings about an open server; independent of the transport."""

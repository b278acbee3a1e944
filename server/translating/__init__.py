"""What the server does with texts, whatever the protocol that brought them."""

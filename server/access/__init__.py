"""Who may call the server, and how much; what an operator must know of how open it is. It knows no transport."""

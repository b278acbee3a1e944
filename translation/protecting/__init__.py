"""Protecting what must survive translation: finding it, standing something in for it, and putting it back."""

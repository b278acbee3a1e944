"""Translating HTML: its text is taken out, translated, and put back among the tags it stood among."""

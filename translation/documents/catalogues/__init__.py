"""Catalogues of the texts that a program shows: gettext, XLIFF, JSON, YAML, and those of Java, Android and Apple."""

"""Checks of a finished translation: its warnings, and an estimate of its quality."""

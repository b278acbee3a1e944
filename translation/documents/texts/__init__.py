"""Formats of running text: plain text, Markdown, HTML, subtitles, tables."""

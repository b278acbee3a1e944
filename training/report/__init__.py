"""The report on a training run: reading its folder, drawing, and the page."""

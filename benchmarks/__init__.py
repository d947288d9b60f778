"""Measurements against other ways to do the same, side by side in one run."""

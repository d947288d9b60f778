"""Tar archives: entries in, the same bytes out on every machine."""

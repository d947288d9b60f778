"""Exports: the environment of an image, read from its record, as files that build it again."""

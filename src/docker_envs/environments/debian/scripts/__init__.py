"""Maintainer scripts, which are never run: read, and their effect on a new system computed where it is known."""

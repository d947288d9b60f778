"""Declarations of Debian packages, and of the archives they come from."""

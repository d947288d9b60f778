"""Debian packages: declared, found in signed archives, resolved, and put into layers."""

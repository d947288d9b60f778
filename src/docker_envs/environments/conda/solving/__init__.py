"""Channels, and the choice of packages from them."""

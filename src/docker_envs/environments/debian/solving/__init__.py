"""Choosing packages so that all their relations hold."""

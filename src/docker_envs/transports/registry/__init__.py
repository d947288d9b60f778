"""Registries that speak the distribution API."""

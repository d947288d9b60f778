"""The original interface to registries."""

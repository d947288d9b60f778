"""Container engines on this machine."""

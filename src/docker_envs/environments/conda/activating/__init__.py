"""What activating an environment sets."""

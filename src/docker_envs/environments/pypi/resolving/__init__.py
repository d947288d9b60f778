"""From requirements to wheels that run on the target."""

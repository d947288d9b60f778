"""What was made or found before: on this machine and in registries, kept and looked up."""

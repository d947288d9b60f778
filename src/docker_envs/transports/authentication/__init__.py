"""Who we are to registries: credentials, challenges and tokens."""

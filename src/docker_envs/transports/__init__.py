"""Where images come from and go to: registries, archives, layouts, engines."""

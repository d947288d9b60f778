"""From packages to the files of an environment."""

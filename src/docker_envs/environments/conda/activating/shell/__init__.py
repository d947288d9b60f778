"""What the shell scripts of conda packages do to variables, without running anything; the rest is refused."""

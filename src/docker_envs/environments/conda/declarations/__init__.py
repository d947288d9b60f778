"""What people write down: every file that can declare an environment, and installed ones."""

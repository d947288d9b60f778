"""A small part of the shell's language, evaluated without running anything; what is outside of it is refused."""

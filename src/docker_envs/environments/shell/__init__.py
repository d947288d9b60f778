"""The language of POSIX shells, read and never run; what commands mean is up to those who evaluate it."""

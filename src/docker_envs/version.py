"""The version of the distribution, and of the bytes that it writes."""

__version__ = "0.1.0"

#: Part of every layer key: raised whenever our bytes for the same input change, so that no store mixes two generations.
DIGEST_FORMAT = 2

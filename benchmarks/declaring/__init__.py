"""What `benchmarks/declared.py` is made of: a mirror, what is built, the ways to build it, and what is compared."""

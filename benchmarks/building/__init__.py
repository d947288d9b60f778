"""What `benchmarks/build.py` is made of: environments, ways to build them, scenarios, and what is reported."""

"""What people write down about distributions from PyPI, in all the files they use for it."""

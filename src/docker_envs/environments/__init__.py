"""Kinds of environments: each declares, solves and links its packages; none knows another."""

"""Hostile input for every reader: valid documents and archives, changed as a short recipe of bytes says.

Hypothesis draws the recipes in `tests/unit/fuzz`, atheris does in `python -m tests.fuzz`.
"""

"""Python distributions: wheels."""

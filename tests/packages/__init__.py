"""Scripts that write tiny real conda packages, so that no binary of unknown origin is needed."""

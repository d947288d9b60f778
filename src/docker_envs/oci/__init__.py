"""The image model: values, no disk and no network."""

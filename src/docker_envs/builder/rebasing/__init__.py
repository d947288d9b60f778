"""A new base under the layers of an image."""

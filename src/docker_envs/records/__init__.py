"""What an image says about the environment in it."""

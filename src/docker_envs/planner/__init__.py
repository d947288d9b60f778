"""What an image is to be made of; pure."""

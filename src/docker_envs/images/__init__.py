"""What commands do with images, whatever transport they come from and go to."""

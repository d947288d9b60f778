"""Other packages in an image: only the layers concerned are made anew."""

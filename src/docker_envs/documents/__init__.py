"""Documents that people write: their text, and their values with the places of these."""

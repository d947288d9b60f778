"""From a request to its packages: chosen, fetched and read, of all kinds, and the base that they are for."""

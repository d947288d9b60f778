"""Reading `.deb` archives: what a package is, and its files as entries of a layer."""

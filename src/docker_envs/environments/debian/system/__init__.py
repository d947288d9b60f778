"""What no package has alone: the database of dpkg, accounts, alternatives, caches; all as entries of one layer."""

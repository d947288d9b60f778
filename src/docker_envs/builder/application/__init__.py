"""What an image holds beyond packages: files of a declaration, accounts, and the Python project of the user."""

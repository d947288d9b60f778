"""Images in files: OCI layouts and `docker save` archives."""

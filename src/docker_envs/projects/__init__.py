"""Projects: what a file such as `docker-env.yaml` declares about images."""

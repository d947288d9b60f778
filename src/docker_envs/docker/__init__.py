"""The original interface to Docker images and the Docker engine."""

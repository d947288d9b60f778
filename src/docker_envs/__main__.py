"""`python -m docker_envs`: the same as the command `docker-envs`."""

from docker_envs.cli import main

if __name__ == "__main__":
    main()

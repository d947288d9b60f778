"""The original interface to conda environments: build an image with one call, and filter what goes into a layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.builder.build import build
from docker_envs.builder.host import cache_directory, parse_base, parse_target_platform, source_date_epoch
from docker_envs.builder.request import BuildRequest, Destinations
from docker_envs.docker.base import Image
from docker_envs.environments.conda.declarations.declaration import DEFAULT_CHANNEL, Declaration
from docker_envs.oci.reference import Reference

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from tarfile import TarInfo

__all__ = ["build_docker_environment", "conda_file_filter"]


def conda_file_filter(trim_static_libs: bool = True, trim_js_maps: bool = True) -> Callable[[TarInfo], TarInfo | None]:
    """A filter for `Image.add_layer_path` that leaves out what containers rarely need.

    Args:
        trim_static_libs: Drop static libraries, `*.a`.
        trim_js_maps: Drop source maps of JavaScript, `*.js.map`.

    Returns:
        A function from a `TarInfo` to itself, or to None for what is dropped.
    """
    suffixes = tuple([".a"] * trim_static_libs + [".js.map"] * trim_js_maps)

    def keep(member: TarInfo) -> TarInfo | None:
        return None if suffixes and not member.isdir() and member.name.endswith(suffixes) else member

    return keep


def build_docker_environment(
    base_image: str,
    output_image: str,
    packages: Sequence[str],
    output_filename: str | os.PathLike[str],
    *,
    channels: Sequence[str] = (DEFAULT_CHANNEL,),
    platform: str | None = None,
    prefix: str = "/opt/conda",
    cache: str | os.PathLike[str] | None = None,
) -> Image:
    """Solve for packages and write an image that holds them on top of a base.

    Args:
        base_image: Reference of the base, such as `continuumio/miniconda3:latest`, or `scratch`.
        output_image: Name and tag of the image in the file.
        packages: Match specs.
        output_filename: The tar file to write, for `docker load` and others.
        channels: Names or URLs, highest priority first.
        platform: What the image runs on; Linux on this machine's kind of CPU by default.
        prefix: Where the environment is in the image.
        cache: Directory for packages and layers; the user's cache directory by default.

    Returns:
        The image as written.

    Raises:
        DockerEnvsError: See `docker_envs.builder.build.build`; nothing is written then.
    """
    name = Reference.parse(output_image)
    request = BuildRequest(
        base=parse_base(base_image),
        declaration=Declaration(channels=tuple(channels), specs=tuple(packages)),
        platform=parse_target_platform(platform),
        cache=cache_directory(Path(cache) if cache is not None else None),
        prefix=prefix,
        epoch=source_date_epoch(),
        destinations=Destinations(names=(name,), archive=Path(output_filename)),
    )
    return Image(build(request).image, [name])

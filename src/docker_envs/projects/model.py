"""A project as a value: the images that its file declares, with everything said once for several filled in.

Whatever the model holds is valid by itself: paths of the host are joined to the folder of the file, names and numbers
are parsed. What only a build can find out (whether a base exists, whether an environment solves) is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.request import ActivationMode, PythonLayout
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.declarations.conda_lock import DEFAULT_CATEGORY
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT
from docker_envs.errors import InvalidInputError
from docker_envs.images.container import ContainerSettings
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS, Grouping
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.builder.application.accounts import Group, User
    from docker_envs.builder.application.contents import FilesLayer
    from docker_envs.environments.base import PipLine
    from docker_envs.environments.conda.solving.channels import ChannelPriority
    from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
    from docker_envs.environments.debian.declarations.declaration import AptDeclaration
    from docker_envs.environments.filters import Filter
    from docker_envs.images.location import Location
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.reference import Reference

#: The name of the only image of a file without `images`.
ONLY_IMAGE = ""

Scratch = Literal["scratch"]


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """A file that declares an environment.

    Attributes:
        path: The file.
        environment: The one that is taken from a `pixi.lock` or manifest with several.
        categories: Those whose packages are taken from a `conda-lock.yml`.
        extras: Those that are wanted of a project's or lock's distributions.
        groups: Dependency groups that are wanted of these.
    """

    path: Path
    environment: str = DEFAULT_ENVIRONMENT
    categories: tuple[str, ...] = (DEFAULT_CATEGORY,)
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InlineEnvironment:
    """An environment that the project's file declares itself.

    Attributes:
        channels: Names or URLs, highest priority first; none means the default channel.
        dependencies: Match specs.
        variables: Environment variables for the image.
        pip: Lines for pip.
    """

    channels: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    pip: tuple[PipLine, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageDeclaration:
    """One image of a project; defaults are those of `docker-envs build`.

    Attributes:
        title: Its name in the file; `ONLY_IMAGE` when the file declares one image.
        name: Repository that it is published to and named by; it has no tag.
        tags: Of the published image.
        base: Where the base image is; None when the file does not say.
        platforms: What it runs on; none means the platform of this machine.
        environments: What is in the environment, merged; none means that there is none.
        apt: Debian packages of the system around it.
        prefix: Absolute path of the environment in the image; None is where it is by default.
        python_layout: Where distributions go when no Python of conda is there.
        build_sdists: Normalised names of distributions whose source may be built, or `all`.
        files: Layers on top of the packages, lowest first.
        config: What a container runs.
        users: Users that there shall be.
        groups: Groups that there shall be.
        activation: How the environment is activated.
        filters: Kinds of files that are left out.
        max_layers: Layers, those of the base included.
        grouping: How packages are distributed over them.
        compression: Of new layers.
        epoch: Time of creation in seconds since 1970 UTC; None takes it from the newest package.
        compile: Whether `noarch: python` packages get bytecode.
        channel_priority: What the order of channels means; None leaves it to the environment's file.
        virtual_packages: Overrides of what the target offers.
        strict: Whether scripts that are not run stop the build.
        keep_setuid: Whether files keep set-user-id bits.
    """

    title: str = ONLY_IMAGE
    name: Reference | None = None
    tags: tuple[str, ...] = ("latest",)
    base: Location | Scratch | None = None
    platforms: tuple[Platform, ...] = ()
    environments: tuple[EnvironmentFile | InlineEnvironment, ...] = ()
    apt: AptDeclaration | None = None
    prefix: str | None = None
    python_layout: PythonLayout = PythonLayout.AUTO
    build_sdists: frozenset[str] = frozenset()
    files: tuple[FilesLayer, ...] = ()
    config: ContainerSettings = field(default_factory=ContainerSettings)
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    activation: ActivationMode = ActivationMode.ENV
    filters: frozenset[Filter] = frozenset()
    max_layers: int = DEFAULT_MAX_LAYERS
    grouping: Grouping = field(default_factory=Grouping)
    compression: CompressionSetting = field(default_factory=CompressionSetting)
    epoch: int | None = None
    compile: CompilePolicy = CompilePolicy.NEVER
    channel_priority: ChannelPriority | None = None
    virtual_packages: tuple[VirtualPackage, ...] = ()
    strict: bool = False
    keep_setuid: bool = False

    @property
    def references(self) -> tuple[Reference, ...]:
        """The names that it is published under, one for each tag; none when it has no name."""
        return () if self.name is None else tuple(self.name.with_tag(tag) for tag in self.tags)


@dataclass(frozen=True, slots=True)
class Project:
    """What a project's file declares.

    Attributes:
        path: The file.
        images: In the order of the file, at least one.
    """

    path: Path
    images: tuple[ImageDeclaration, ...]

    def select(self, titles: Sequence[str]) -> tuple[ImageDeclaration, ...]:
        """The images of these titles, in the order of the file; all of them when none is named.

        Raises:
            InvalidInputError: There is none of a title.
        """
        known = [image.title for image in self.images]
        for title in titles:
            if title not in known or title == ONLY_IMAGE:
                names = [each for each in known if each != ONLY_IMAGE]
                raise InvalidInputError(f"{self.path} declares no image `{title}`", hint=suggest(title, names))
        return tuple(image for image in self.images if not titles or image.title in titles)

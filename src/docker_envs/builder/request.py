"""What a build is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.caches.remote_caches import CacheUse
from docker_envs.environments.base import DEFAULT_PREFIX, Target
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.images.container import ContainerSettings
from docker_envs.images.transports import Connection
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS, Grouping

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.application.accounts import Group, User
    from docker_envs.builder.application.contents import FilesLayer
    from docker_envs.digest import Digest
    from docker_envs.environments.conda.declarations.declaration import Declaration
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
    from docker_envs.environments.debian.declarations.declaration import AptDeclaration
    from docker_envs.environments.debian.package import DebianPackage
    from docker_envs.environments.filters import Filter
    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration
    from docker_envs.environments.pypi.package import PypiPackage, PypiSdist
    from docker_envs.images.location import Location
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.reference import Reference


#: Where Debian packages alone are recorded.
SYSTEM_PREFIX = "/usr"


class AttachmentKind(StrEnum):
    """What is attached to an image in a registry.

    Attributes:
        SBOM: Bills of materials.
        DECLARATION: The files that declare its environment.
    """

    SBOM = "sbom"
    DECLARATION = "declaration"


@dataclass(frozen=True, slots=True)
class DeclarationFile:
    """A file that declares an environment, as it was written.

    Attributes:
        name: Its name, without folders.
        content: Its bytes; they hold no credentials.
    """

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Attachments:
    """What is attached to the image in registries.

    Attributes:
        kinds: What.
        declarations: The files of `AttachmentKind.DECLARATION`.
        required: Whether the build fails when a registry does not take them; else it warns.
    """

    kinds: frozenset[AttachmentKind] = frozenset()
    declarations: tuple[DeclarationFile, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where the image goes; any combination.

    Attributes:
        names: Names in archives and in the engine.
        archive: A tar file that Docker, Podman and skopeo load; `-` is standard output.
        layout: An OCI layout directory.
        push: References in registries.
        load: Whether the local engine gets it.
        attachments: What it gets in registries.
    """

    names: tuple[Reference, ...] = ()
    archive: Path | None = None
    layout: Path | None = None
    push: tuple[Reference, ...] = ()
    load: bool = False
    attachments: Attachments = field(default_factory=Attachments)


class ActivationMode(StrEnum):
    """How the environment is activated in a container.

    Attributes:
        ENV: By variables in the image's config; an entrypoint only for scripts that cannot be evaluated.
        ENTRYPOINT: By an entrypoint that sources all scripts.
        NONE: `PATH` and `CONDA_PREFIX` only.
    """

    ENV = "env"
    ENTRYPOINT = "entrypoint"
    NONE = "none"


class PythonLayout(StrEnum):
    """Where distributions from PyPI go when no Python of conda is there to have them.

    Attributes:
        AUTO: To the base's Python, unless that is for the base's own packages alone, or a prefix is asked for: then
            into a virtual environment.
        VENV: Into a virtual environment of the base's Python.
        BASE: To the base's Python.
    """

    AUTO = "auto"
    VENV = "venv"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One image to be built.

    Attributes:
        base: Base image; None for `scratch`.
        base_digest: Of the base's manifest for the platform, where a lock says which; None asks what its name leads to.
        declaration: The environment; None only renames or copies the base.
        preferred: Conda packages that the solver chooses wherever they fit.
        preferred_wheels: Distributions of PyPI, likewise.
        preferred_debs: Debian packages, likewise.
        pypi: What the environment holds besides, from package indexes of Python.
        python_layout: Where distributions go when no Python of conda is there.
        build_sdists: Normalised names of distributions whose source may be built, or `all`.
        apt: Debian packages of the system around it.
        platform: What the image runs on.
        cache: Directory for packages, repodata and layers.
        caches: Remote layer caches.
        cache_read_only: Whether nothing is written there; the image's new layers can be opened until the build ends.
        prefix: Absolute path of the environment in the image; None is where it is by default, which depends on what it
            holds.
        virtual_packages: Overrides of what the target offers.
        container: What a container runs.
        compression: Of new layers.
        max_layers: Layers of the image, those of the base included.
        grouping: How packages are distributed over them.
        epoch: Time of creation in seconds since 1970 UTC; None takes it from the newest package.
        destinations: Where the image goes.
        connection: How registries are reached.
        filters: Kinds of files that are left out.
        compile: Whether `noarch: python` packages get bytecode.
        keep_setuid: Whether files keep set-user-id bits.
        activation: How the environment is activated.
        access: How channels are reached.
        files: Layers on top of the packages, lowest first.
        users: Accounts that the image gets, unless the base has them.
        groups: The same.
        strict: Whether scripts that are not run stop the build.
        force: Whether a base that the packages cannot run on is taken all the same.
        record: Whether the image gets a record of its environment.
    """

    base: Location | None
    declaration: Declaration | None
    platform: Platform
    cache: Path
    base_digest: Digest | None = None
    preferred: tuple[CondaPackage, ...] = ()
    preferred_wheels: tuple[PypiPackage | PypiSdist, ...] = ()
    preferred_debs: tuple[DebianPackage, ...] = ()
    prefix: str | None = None
    virtual_packages: tuple[VirtualPackage, ...] = ()
    container: ContainerSettings = field(default_factory=ContainerSettings)
    compression: CompressionSetting = field(default_factory=CompressionSetting)
    max_layers: int = DEFAULT_MAX_LAYERS
    grouping: Grouping = field(default_factory=Grouping)
    epoch: int | None = None
    destinations: Destinations = field(default_factory=Destinations)
    connection: Connection = field(default_factory=Connection)
    filters: frozenset[Filter] = frozenset()
    compile: CompilePolicy = CompilePolicy.NEVER
    keep_setuid: bool = False
    activation: ActivationMode = ActivationMode.ENV
    access: ChannelAccess = field(default_factory=ChannelAccess)
    files: tuple[FilesLayer, ...] = ()
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    strict: bool = False
    force: bool = False
    cache_read_only: bool = False
    record: bool = True
    pypi: PypiDeclaration | None = None
    python_layout: PythonLayout = PythonLayout.AUTO
    build_sdists: frozenset[str] = frozenset()
    apt: AptDeclaration | None = None
    caches: CacheUse = field(default_factory=CacheUse)

    @property
    def pinned_base(self) -> Location | None:
        """Where the base is, by its digest if that is known; None for `scratch`."""
        if self.base is None or self.base_digest is None:
            return self.base
        return replace(self.base, reference=self.base.registry_reference.with_digest(self.base_digest))

    @property
    def declares_packages(self) -> bool:
        """Whether anything is said about packages, if only that there are none."""
        return not (self.declaration is None and self.pypi is None and self.apt is None)

    def prefix_or(self, default: str) -> str:
        """The prefix, canonical.

        Raises:
            InvalidInputError: It is none.
        """
        return Target(self.platform, self.prefix or default).prefix

    @property
    def record_prefix(self) -> str:
        """Absolute path of what the image gets besides the base's own: the environment's, or that of the system.

        Raises:
            InvalidInputError: The prefix is none.
        """
        if self.declaration is None and self.pypi is None and self.apt is not None:
            return SYSTEM_PREFIX
        return self.link_options.prefix

    @property
    def link_options(self) -> LinkOptions:
        """How conda packages are linked.

        Raises:
            InvalidInputError: The prefix is none, or the options contradict each other.
        """
        prefix = self.prefix_or(DEFAULT_PREFIX)
        return LinkOptions(prefix=prefix, filters=self.filters, compile=self.compile, keep_setuid=self.keep_setuid)

"""From the options of `build`, `plan` and their like to what is to be built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.host import SCRATCH, cache_directory, parse_base, source_date_epoch
from docker_envs.builder.request import ActivationMode, BuildRequest, PythonLayout
from docker_envs.cli import build_options as opt
from docker_envs.cli import options
from docker_envs.cli.apt_options import AptOptions
from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp, connection
from docker_envs.cli.declared import Declared
from docker_envs.cli.locked_jobs import locked_jobs
from docker_envs.cli.project_options import ImageJob, chosen_project
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.declarations.conda_lock import DEFAULT_CATEGORY
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.environments.filters import parse_filters
from docker_envs.environments.pypi.declarations.requirement import parse_distribution
from docker_envs.errors import InvalidInputError
from docker_envs.projects.find import OWN_NAMES
from docker_envs.projects.lock_use import LockUse
from docker_envs.projects.model import EnvironmentFile
from docker_envs.projects.request import image_requests

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.request import Destinations
    from docker_envs.projects.model import ImageDeclaration, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentOptions(AptOptions):
    """What an image is made from, and how; the fields are the options of these names."""

    specs: opt.Specs = None
    base: opt.Base = None
    file: opt.File = None
    target: opt.Target = None
    channel: opt.Channel = None
    environment: opt.Environment = None
    category: opt.Category = None
    extra: opt.Extra = None
    dependency_group: opt.DependencyGroup = None
    prefix_from: opt.PrefixFrom = None
    name: opt.EnvironmentName = None
    add_unowned: opt.AddUnowned = False
    platform: opt.TargetPlatform = None
    virtual_package: opt.Virtual = None
    channel_priority: opt.Priority = None
    mirror: opt.Mirror = None
    offline: opt.Offline = False
    locked: opt.Locked = False
    frozen: opt.Frozen = False
    prefix: opt.Prefix = None
    python_layout: opt.Layout = None
    build_sdists: opt.BuildSdists = None
    filters: opt.Filters = None
    compile_policy: opt.Compile = None
    keep_setuid: opt.KeepSetuid = False
    activation: opt.Activate = None
    max_layers: opt.MaxLayers = None
    layers: opt.Layers = None
    group: opt.Group = None
    compression: opt.Compressed = None
    plain_http: PlainHttp = None
    insecure: Insecure = None
    ca_file: CaFile = None
    auth_file: AuthFile = None
    cache_dir: opt.CacheDir = None
    cache_read_only: opt.CacheReadOnly = False
    cache_from: opt.CacheFrom = None
    cache_to: opt.CacheTo = None
    cache_verify: opt.CacheVerify = "0"
    strict: opt.Strict = False
    force: opt.Force = False

    def jobs(self) -> list[ImageJob]:
        """The images to build: those of the project's file, or the one that the options declare; what is locked is so.

        Raises:
            InvalidInputError: An option makes no sense, a declaration cannot be understood, or a lock does not fit.
        """
        jobs = self.declared_jobs()
        path = jobs[0].project
        use = self._lock_use(path)
        return jobs if path is None else locked_jobs(jobs, path, use)

    def declared_jobs(self) -> list[ImageJob]:
        """The same without regard to a lock.

        Raises:
            InvalidInputError: An option makes no sense, or a declaration cannot be understood.
        """
        project = self.project()
        if project is None:
            declared = self._declared()
            return [ImageJob("", self._own_requests(declared), declared.read_files())]
        return [
            ImageJob(
                title=image.title,
                requests=self._requests_of(project, image),
                files=_files(project, image),
                references=image.references,
                project=project.path,
                any_platform=not image.platforms,
            )
            for image in project.select(self.target or ())
        ]

    def job(self) -> ImageJob:
        """The only image to build.

        Raises:
            InvalidInputError: As of `jobs`, or there are several images.
        """
        jobs = self.jobs()
        if len(jobs) > 1:
            names = ", ".join(f"`{job.title}`" for job in jobs)
            raise InvalidInputError(f"several images are declared: {names}", hint="choose one with `--target`")
        return jobs[0]

    def _lock_use(self, project: Path | None) -> LockUse:
        wanted = {"`--locked`": self.locked, "`--frozen`": self.frozen}
        given = [name for name, value in wanted.items() if value]
        if len(given) > 1:
            raise InvalidInputError("`--locked` and `--frozen` exclude each other", hint="use one of them")
        if given and project is None:
            raise InvalidInputError(
                f"{given[0]} is about the lock of a project, and there is none",
                hint=f"declare one in a `{OWN_NAMES[0]}`, or leave the option out",
            )
        changes = {
            "`--base`": self.base,
            "`--channel-priority`": self.channel_priority,
            "`--virtual-package`": self.virtual_package,
        }
        changed = [name for name, value in changes.items() if value]
        if self.frozen and changed:
            raise InvalidInputError(f"{changed[0]} would change what `--frozen` takes from the lock")
        return LockUse.FROZEN if self.frozen else LockUse.LOCKED if self.locked else LockUse.PREFERRED

    def project(self) -> Project | None:
        """The project whose images are built; None when the options declare an image.

        Raises:
            InvalidInputError: It cannot be understood, or there is something else as well.
        """
        environment = {
            "a match spec": self.specs,
            "`--channel`": self.channel,
            "`--environment`": self.environment,
            "`--category`": self.category,
            "`--extra`": self.extra,
            "`--dependency-group`": self.dependency_group,
            "`--prefix-from`": self.prefix_from,
            "`--name`": self.name,
            "`--add-unowned`": self.add_unowned,
            **self.apt_given(),
        }
        implied = not (self.specs or self.prefix_from or self.name or self.apt)
        project = chosen_project(self.file or (), implied=implied, others=environment)
        if project is None and self.target:
            raise InvalidInputError(
                "`--target` chooses among the images of a project's file, and there is none",
                hint=f"name it with `--file`, or call it `{OWN_NAMES[0]}`",
            )
        return project

    def _own_requests(self, declared: Declared) -> list[BuildRequest]:
        if self.base is None:
            raise InvalidInputError(
                "no base image is named",
                hint=f"use `--base IMAGE` or `--base {SCRATCH}`, or let `docker-envs init` write a `{OWN_NAMES[0]}`",
            )
        targets = {target: declared.declaration(target) for target in options.parse_platforms(self.platform or ())}
        return [
            self._over(
                BuildRequest(
                    base=None,
                    declaration=declaration.conda,
                    pypi=declaration.pypi,
                    apt=declaration.apt,
                    platform=target,
                    cache=cache_directory(self.cache_dir),
                    files=declared.unowned(wanted=self.add_unowned),
                )
            )
            for target, declaration in targets.items()
        ]

    def _requests_of(self, project: Project, image: ImageDeclaration) -> list[BuildRequest]:
        if self.channel_priority:
            image = replace(image, channel_priority=ChannelPriority.parse(self.channel_priority))
        requests = image_requests(
            project,
            image,
            cache=cache_directory(self.cache_dir),
            platforms=options.parse_platforms(self.platform) if self.platform else (),
            base=None if self.base is None else parse_base(self.base) or "scratch",
        )
        return [self._over(request) for request in requests]

    def _over(self, request: BuildRequest) -> BuildRequest:
        """A request with what the options say over what is declared."""
        changes: dict[str, Any] = {}
        if self.base is not None:
            changes["base"] = parse_base(self.base)
        if self.prefix is not None:
            changes["prefix"] = self.prefix
        if self.python_layout is not None:
            changes["python_layout"] = options.parse_choice(self.python_layout, PythonLayout, "--python-layout")
        if self.filters is not None:
            changes["filters"] = parse_filters(self.filters)
        if self.compression is not None:
            changes["compression"] = CompressionSetting.parse(self.compression)
        if self.max_layers is not None:
            changes["max_layers"] = self.max_layers
        if self.compile_policy is not None:
            changes["compile"] = options.parse_choice(self.compile_policy, CompilePolicy, "--compile")
        if self.activation is not None:
            changes["activation"] = options.parse_choice(self.activation, ActivationMode, "--activation")
        overrides = tuple(VirtualPackage.parse(text) for text in self.virtual_package or ())
        return replace(
            request,
            **changes,
            build_sdists=request.build_sdists | {parse_distribution(name) for name in self.build_sdists or ()},
            grouping=options.parse_grouping(self.layers, self.group, below=request.grouping),
            virtual_packages=(*request.virtual_packages, *overrides),
            epoch=source_date_epoch() if request.epoch is None else request.epoch,
            connection=connection(self.plain_http, self.insecure, self.ca_file, self.auth_file),
            keep_setuid=self.keep_setuid or request.keep_setuid,
            access=ChannelAccess(offline=self.offline, mirrors=options.parse_mirrors(self.mirror or ())),
            strict=self.strict or request.strict,
            force=self.force,
            cache_read_only=self.cache_read_only,
            caches=options.parse_caches(self.cache_from or (), self.cache_to or (), self.cache_verify),
        )

    def _declared(self) -> Declared:
        return Declared(
            apt=self.apt_declaration(),
            files=tuple(self.file or ()),
            specs=tuple(self.specs or ()),
            channels=tuple(self.channel or ()),
            environment=self.environment or DEFAULT_ENVIRONMENT,
            categories=tuple(self.category or (DEFAULT_CATEGORY,)),
            prefix=options.installed_prefix(self.prefix_from, self.name),
            priority=ChannelPriority.parse(self.channel_priority) if self.channel_priority else None,
            extras=tuple(self.extra or ()),
            groups=tuple(self.dependency_group or ()),
        )


def _files(project: Project, image: ImageDeclaration) -> tuple[Path, ...]:
    """The files that declare an image."""
    paths = [each.path for each in image.environments if isinstance(each, EnvironmentFile)]
    return tuple(dict.fromkeys([project.path, *paths]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """What a container of the image runs; the fields are the options of these names."""

    entrypoint: opt.Entrypoint = None
    cmd: opt.Cmd = None
    user: opt.User = None
    workdir: opt.Workdir = None
    env: opt.Env = None
    label: opt.Label = None
    record: opt.Record = True

    def apply(self, request: BuildRequest, destinations: Destinations) -> BuildRequest:
        """A request for an image that runs this, over what is declared, and goes somewhere.

        Raises:
            InvalidInputError: An option makes no sense.
        """
        settings = request.container
        changes: dict[str, Any] = {}
        if self.entrypoint is not None:
            # As in a Dockerfile, and with `docker run --entrypoint`.
            changes |= {"entrypoint": options.parse_command(self.entrypoint, "--entrypoint"), "cmd": None}
        if self.cmd is not None:
            changes["cmd"] = options.parse_command(self.cmd, "--cmd")
        if self.user is not None:
            changes["user"] = self.user
        if self.workdir is not None:
            changes["workdir"] = self.workdir
        container = replace(
            settings,
            **changes,
            env={**settings.env, **options.parse_pairs(self.env or (), "--env")},
            labels={**settings.labels, **options.parse_pairs(self.label or (), "--label")},
        )
        return replace(request, container=container, destinations=destinations, record=self.record)

"""The options of `docker-envs build` and `plan`, one type each, so that signatures read like a list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_ENVIRONMENT, _IMAGE, _OUTPUT, _BEHAVIOUR = "Environment", "Image", "Output", "Behaviour"

Specs = Annotated[list[str] | None, typer.Argument(metavar="SPEC", help="Match specs, such as `numpy=2`.")]
File = Annotated[
    list[Path] | None,
    typer.Option(
        "--file",
        "-f",
        help="docker-env.yaml, environment.yml, @EXPLICIT list, conda-lock.yml, pixi.lock, pixi.toml, pyproject.toml, "
        "apt.txt; may be repeated (default: docker-env.yaml or environment.yml, if here).",
        rich_help_panel=_ENVIRONMENT,
    ),
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Image of a docker-env.yaml, may be repeated (default: all).", rich_help_panel=_ENVIRONMENT
    ),
]
PrefixFrom = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Installed environment to copy.", rich_help_panel=_ENVIRONMENT)
]
EnvironmentName = Annotated[
    str | None, typer.Option("--name", metavar="ENV", help="The same by its name.", rich_help_panel=_ENVIRONMENT)
]
AddUnowned = Annotated[
    bool,
    typer.Option(
        "--add-unowned", help="Add what no package owns, or has otherwise, as a layer.", rich_help_panel=_ENVIRONMENT
    ),
]
Category = Annotated[
    list[str] | None,
    typer.Option(help="Category of a conda-lock.yml, may be repeated (default: main).", rich_help_panel=_ENVIRONMENT),
]
Extra = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Extra of a pyproject.toml, uv.lock or pylock.toml, may be repeated.",
        rich_help_panel=_ENVIRONMENT,
    ),
]
DependencyGroup = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Dependency group of these, may be repeated.", rich_help_panel=_ENVIRONMENT),
]
BuildSdists = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Distribution that is built from source if it has no wheel, or all; may be repeated.",
        rich_help_panel=_ENVIRONMENT,
    ),
]
Priority = Annotated[
    str | None, typer.Option("--channel-priority", help="strict, flexible or disabled.", rich_help_panel=_ENVIRONMENT)
]
Mirror = Annotated[
    list[str] | None,
    typer.Option(metavar="URL=MIRROR", help="Where else a channel is, may be repeated.", rich_help_panel=_ENVIRONMENT),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Caches and file:// channels only.", rich_help_panel=_ENVIRONMENT)
]
Locked = Annotated[
    bool,
    typer.Option("--locked", help="Fail if docker-env.lock is not what is declared.", rich_help_panel=_ENVIRONMENT),
]
Frozen = Annotated[
    bool,
    typer.Option(
        "--frozen", help="Build what docker-env.lock says, whatever is declared.", rich_help_panel=_ENVIRONMENT
    ),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="Leave out docs, headers, static-libs, js-maps, tests, pycache, locales.",
        rich_help_panel=_ENVIRONMENT,
    ),
]
Compile = Annotated[
    str | None,
    typer.Option("--compile", help="Bytecode: never, auto or always (default: never).", rich_help_panel=_ENVIRONMENT),
]
KeepSetuid = Annotated[
    bool, typer.Option("--keep-setuid", help="Keep set-user-id bits of files.", rich_help_panel=_ENVIRONMENT)
]
Activate = Annotated[
    str | None,
    typer.Option("--activation", help="env, entrypoint or none (default: env).", rich_help_panel=_ENVIRONMENT),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail if a package has a script that matters.", rich_help_panel=_BEHAVIOUR)
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Take a base that the packages may not run on.", rich_help_panel=_BEHAVIOUR),
]
Channel = Annotated[
    list[str] | None,
    typer.Option(
        "--channel", "-c", help="Channel, may be repeated (default: conda-forge).", rich_help_panel=_ENVIRONMENT
    ),
]
Environment = Annotated[
    str | None,
    typer.Option(help="Environment of a pixi.lock or manifest (default: default).", rich_help_panel=_ENVIRONMENT),
]
TargetPlatform = Annotated[
    list[str] | None,
    typer.Option(
        "--platform",
        help="What the image runs on, such as linux/amd64,linux/arm64 (default: as here).",
        rich_help_panel=_ENVIRONMENT,
    ),
]
Virtual = Annotated[
    list[str] | None,
    typer.Option(
        "--virtual-package", help="What the target offers, such as __cuda=12.4.", rich_help_panel=_ENVIRONMENT
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        help="Where the environment is in the image (default: /opt/conda, without conda /opt/venv).",
        rich_help_panel=_ENVIRONMENT,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--python-layout",
        metavar="LAYOUT",
        help="Wheels without conda's Python: auto, venv or base (default: auto).",
        rich_help_panel=_ENVIRONMENT,
    ),
]

Base = Annotated[
    str | None,
    typer.Option(
        "--base", "-b", help="Base image, from anywhere that `copy` knows, or `scratch`.", rich_help_panel=_IMAGE
    ),
]
Name = Annotated[
    list[str] | None,
    typer.Option(
        "--image", "-i", metavar="NAME:TAG", help="Name in the archive, layout or engine.", rich_help_panel=_IMAGE
    ),
]
Entrypoint = Annotated[
    str | None, typer.Option(help="Program, as a shell or a JSON list has it.", rich_help_panel=_IMAGE)
]
Cmd = Annotated[
    str | None, typer.Option(help="Default command, as a shell or a JSON list has it.", rich_help_panel=_IMAGE)
]
User = Annotated[str | None, typer.Option(help="User, or user:group.", rich_help_panel=_IMAGE)]
Workdir = Annotated[str | None, typer.Option(help="Working directory.", rich_help_panel=_IMAGE)]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="NAME=VALUE", help="Environment variable.", rich_help_panel=_IMAGE),
]
Label = Annotated[
    list[str] | None, typer.Option("--label", "-l", metavar="NAME=VALUE", help="Label.", rich_help_panel=_IMAGE)
]
Record = Annotated[
    bool,
    typer.Option("--record/--no-record", help="Say in the image what it was made from.", rich_help_panel=_IMAGE),
]
MaxLayers = Annotated[
    int | None, typer.Option(min=1, help="Layers, the base's included (default: 64).", rich_help_panel=_IMAGE)
]
Layers = Annotated[
    str | None,
    typer.Option(
        help="How packages are distributed: auto, per-package or one (default: auto).", rich_help_panel=_IMAGE
    ),
]
Group = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=PATTERN,…", help="Packages that share a layer; may be repeated.", rich_help_panel=_IMAGE
    ),
]
Compressed = Annotated[
    str | None,
    typer.Option(
        "--compression", help="gzip, zstd or none; with a level as gzip:6 (default: gzip).", rich_help_panel=_IMAGE
    ),
]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Tar file for docker, podman and skopeo; - is standard output.",
        rich_help_panel=_OUTPUT,
    ),
]
Oci = Annotated[Path | None, typer.Option(metavar="DIR", help="OCI image layout.", rich_help_panel=_OUTPUT)]
Push = Annotated[
    list[str] | None, typer.Option(metavar="REFERENCE", help="Registry, may be repeated.", rich_help_panel=_OUTPUT)
]
Attach = Annotated[
    str | None,
    typer.Option(
        metavar="KINDS",
        help="What pushed images get as referrers: sbom,declaration (default), or none.",
        rich_help_panel=_OUTPUT,
    ),
]
Publish = Annotated[
    bool, typer.Option("--publish", help="Push to the names of the docker-env.yaml.", rich_help_panel=_OUTPUT)
]
Load = Annotated[bool, typer.Option("--load", help="Into the local engine.", rich_help_panel=_OUTPUT)]
CacheDir = Annotated[Path | None, typer.Option(help="Where packages and layers are kept.", rich_help_panel=_BEHAVIOUR)]
CacheReadOnly = Annotated[
    bool,
    typer.Option(
        "--cache-read-only",
        envvar="DOCKER_ENVS_CACHE_READ_ONLY",
        help="Use what is kept, and keep nothing.",
        rich_help_panel=_BEHAVIOUR,
    ),
]
CacheFrom = Annotated[
    list[str] | None,
    typer.Option(metavar="REGISTRY/REPO", help="Layers of others, may be repeated.", rich_help_panel=_BEHAVIOUR),
]
CacheTo = Annotated[
    list[str] | None,
    typer.Option(metavar="REGISTRY/REPO", help="Layers for others, may be repeated.", rich_help_panel=_BEHAVIOUR),
]
CacheVerify = Annotated[
    str,
    typer.Option(
        metavar="N", help="Make so many layers of remote caches anew and compare; or all.", rich_help_panel=_BEHAVIOUR
    ),
]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Make all layers a second time, and compare.", rich_help_panel=_BEHAVIOUR),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the layers that would be made.", rich_help_panel=_BEHAVIOUR)
]
Explain = Annotated[
    bool, typer.Option("--explain", help="All packages of each layer, its key, and why.", rich_help_panel=_BEHAVIOUR)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=_BEHAVIOUR)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the digest only.", rich_help_panel=_BEHAVIOUR)]

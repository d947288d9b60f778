"""An image as a `docker-env.yaml` that builds it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.environments.base import DEFAULT_PREFIX, DEFAULT_VENV
from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.projects.exports.environment_yml import environment_document
from docker_envs.projects.exports.packages import debian_requests, packages_of
from docker_envs.projects.exports.yaml_text import yaml_text
from docker_envs.records.bill import base_of, created_of
from docker_envs.records.record import CONDA, DEB

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record, RecordedSettings

# Made by the build itself.
_OWN_LAYERS = frozenset({"", "entrypoint", "virtual environment", "system of the Debian packages"})
_TIMES = ("interval", "timeout", "start_period", "start_interval")


def docker_env_yaml(image: Image, record: Record) -> str:
    """The text of the file; comments say what of the image it cannot say.

    Args:
        image: The image; of its layers nothing is read.
        record: Of the environment.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: This release does not know the kind of a package.
    """
    base = _base(image, record)
    document: dict[str, Any] = {
        "base": base,
        "platforms": [record.platform],
        **_packages(record),
        **_place(record),
        "config": _config(record),
        **_settings(record.settings),
        "epoch": int(created_of(image).timestamp()),
    }
    comments = [
        f"# not here: {' '.join(each.title.split())}" for each in record.layers if each.title not in _OWN_LAYERS
    ]
    if packages_of(record, DEB):
        comments.append("# not here: where Debian packages are from, unless it is the base's affair; see `apt.suite`")
    if base is None:
        comments.append("# not here: the base, for the image does not say what it is")
    return "\n".join([*comments, yaml_text({name: value for name, value in document.items() if value})])


def _packages(record: Record) -> dict[str, Any]:
    """What is said about packages; variables are said with the container where no package is conda's."""
    debian = debian_requests(record)
    environment = environment_document(record)
    if not packages_of(record, CONDA):
        environment.pop("variables", None)
    return {
        "environment": environment,
        # All packages are named, so nothing is there besides.
        "apt": {"packages": debian, "seed": str(Seed.NONE)} if debian else None,
    }


def _base(image: Image, record: Record) -> str | None:
    base = base_of(image)
    if base is not None:
        return str(base.reference)
    # The record's own layer is not in it.
    return "scratch" if len(image.layers) == len(record.layers) + 1 else None


def _place(record: Record) -> dict[str, Any]:
    """Where the environment is, unless that is so by default."""
    if record.python is None:
        # Debian packages alone have their record where the system is.
        is_system = bool(record.packages) and all(package.kind == DEB for package in record.packages)
        return {"prefix": None if is_system or record.prefix == DEFAULT_PREFIX else record.prefix}
    is_venv = record.python.layout == "venv"
    prefix = record.prefix if is_venv and record.prefix != DEFAULT_VENV else None
    return {"prefix": prefix, "python_layout": record.python.layout}


def _config(record: Record) -> dict[str, Any]:
    config: dict[str, Any] = msgspec.to_builtins(record.container)
    if not packages_of(record, CONDA):
        config["env"] = {**record.variables, **record.container.env}
    found = {name: value for name, value in config.items() if value is not None and value != {}}
    if "healthcheck" in found:
        check = found["healthcheck"]
        found["healthcheck"] = {
            name: f"{value}ns" if name in _TIMES else value for name, value in check.items() if value is not None
        }
    return found


def _settings(settings: RecordedSettings) -> dict[str, Any]:
    groups = {name: patterns.split(",") for name, _, patterns in (text.partition("=") for text in settings.groups)}
    layers = {"max": settings.max_layers, "strategy": settings.layers, "groups": groups}
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    changed = {name: value for name, value in plain.items() if name not in ("max_layers", "layers", "groups")}
    if plain.keys() & {"max_layers", "layers", "groups"}:
        changed["layers"] = {name: value for name, value in layers.items() if value}
    return changed

"""From a request to what of it a lock depends on; nothing of this is secret, or of one machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from docker_envs.builder.packages.debs import wants_debs
from docker_envs.builder.request import PythonLayout
from docker_envs.digest import Digest
from docker_envs.documents.text_file import read_text
from docker_envs.documents.toml_document import parse_toml
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channels import channel_url, expand_channels
from docker_envs.environments.conda.solving.solve_settings import SolveSettings
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.environments.debian.declarations.source import snapshot_text
from docker_envs.fields import canonical_json
from docker_envs.projects.lock_inputs import AptInputs, LockInputs, PypiInputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.declarations.declaration import Declaration
    from docker_envs.environments.debian.declarations.source import AptSource
    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration, PypiIndexes
    from docker_envs.images.location import Location

_USER = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(://[^\s?#]*)\?[^\s#]*")
#: Of a project's `pyproject.toml`, what decides about other distributions.
_NEEDS = ("dependencies", "optional-dependencies", "requires-python", "dynamic")


def inputs_of(request: BuildRequest, folder: Path) -> LockInputs:
    """What of a request a lock in a folder depends on.

    Raises:
        InvalidInputError: A channel is malformed, or a project cannot be read.
    """
    declaration = request.declaration
    base = str(_below(request.base, folder)) if request.base is not None else None
    found = LockInputs(base=base, apt=_apt_inputs(request, folder), pypi=_pypi_inputs(request, folder))
    if declaration is None:
        return found
    if declaration.packages is not None:
        listed = sorted([package.public_url, package.sha256 or package.md5 or ""] for package in declaration.packages)
        return msgspec.structs.replace(found, packages=str(Digest.of(canonical_json(listed))))
    overrides = (*declaration.virtual_packages, *request.virtual_packages)
    return msgspec.structs.replace(
        found,
        channels=tuple(_public_channel(channel) for channel in expand_channels(declaration.channels)),
        specs=tuple(sorted(declaration.specs)),
        virtual_packages=tuple(str(package) for package in virtual_packages(request.platform, overrides)),
        settings=_settings(declaration),
    )


def relative_path(path: Path, folder: Path) -> str:
    """A path from a folder if it is below, which is the same on other machines; else as it is."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def _pypi_inputs(request: BuildRequest, folder: Path) -> PypiInputs | None:
    declaration = request.pypi
    if declaration is None or declaration.is_empty:
        return None
    hashes = sorted([each.name, *sorted(each.hashes)] for each in declaration.requirements if each.hashes)
    return PypiInputs(
        requirements=tuple(sorted(_public(each.text, folder) for each in declaration.requirements)),
        constraints=tuple(sorted(_public(each.text, folder) for each in declaration.constraints)),
        hashes=str(Digest.of(canonical_json(hashes))) if hashes else None,
        indexes=tuple(_public(option, folder) for option in _index_options(declaration.indexes)),
        projects={
            relative_path(each.root, folder) + (f"[{','.join(sorted(each.extras))}]" if each.extras else ""): _needs(
                each.root
            )
            for each in sorted(declaration.projects, key=lambda each: str(each.root))
        },
        sdists=tuple(sorted(request.build_sdists)),
        prereleases=declaration.prereleases,
        layout=_layout(request),
        packages=_named_lock(declaration),
    )


def _layout(request: BuildRequest) -> str | None:
    """Where distributions go, which decides what is there already."""
    if request.python_layout is not PythonLayout.AUTO:
        return str(request.python_layout)
    return None if request.declaration is not None or request.prefix is None else str(PythonLayout.VENV)


def _named_lock(declaration: PypiDeclaration) -> str | None:
    lock = declaration.lock
    if lock is None:
        return None
    named = [lock.content.to_dict(), list(lock.extras), None if lock.groups is None else list(lock.groups)]
    return str(Digest.of(canonical_json(msgspec.to_builtins(named, str_keys=True, enc_hook=str))))


def _index_options(indexes: PypiIndexes) -> Iterator[str]:
    if indexes.index_url:
        yield f"--index-url {indexes.index_url}"
    yield from (f"--extra-index-url {url}" for url in indexes.extra_index_urls)
    yield from (f"--find-links {link}" for link in indexes.find_links)
    if indexes.no_index:
        yield "--no-index"


def _needs(root: Path) -> str:
    path = root / "pyproject.toml"
    table = parse_toml(path, read_text(path)).get("project") if path.is_file() else None
    listed = {name: table[name] for name in _NEEDS if name in table} if isinstance(table, dict) else {}
    return str(Digest.of(canonical_json(listed)))


def _apt_inputs(request: BuildRequest, folder: Path) -> AptInputs | None:
    declaration = request.apt
    if declaration is None or not wants_debs(request):
        return None
    return AptInputs(
        requests=tuple(sorted(map(str, declaration.requests))),
        sources=tuple(_source(each, folder) for each in declaration.sources),
        snapshot=None if declaration.snapshot is None else snapshot_text(declaration.snapshot),
        seed=None if declaration.seed is None else str(declaration.seed),
        recommends=declaration.recommends,
    )


def _source(source: AptSource, folder: Path) -> str:
    words = [_public(source.uri, folder), *source.suites, *source.components]
    if source.architectures:
        words.append(f"[arch={','.join(source.architectures)}]")
    if source.signed_by:
        signed = source.signed_by
        if "\n" in signed:  # an armored key
            signed = Digest.of(signed.encode()).short
        elif Path(signed).is_file():
            signed = relative_path(Path(signed).absolute(), folder)
        words.append(f"[signed-by={signed}]")
    return " ".join(words)


def _public(text: str, folder: Path) -> str:
    """Text with addresses, without credentials and queries, and with paths from the folder for what is below it."""
    text = _QUERY.sub(r"\1", _USER.sub("", text))
    return text.replace(f"{folder.as_uri()}/", "./").replace(f"{folder}/", "./").replace(folder.as_uri(), ".")


def _below(base: Location, folder: Path) -> Location:
    """A base in the folder by its path from there."""
    path = base.path.absolute() if base.path is not None else None
    return base if path is None or not path.is_relative_to(folder) else replace(base, path=path.relative_to(folder))


def _public_channel(channel: str) -> str:
    if "://" not in channel:
        return channel
    url = channel_url(channel)
    return CondaPackage.from_url(f"{url}noarch/a-0-0.conda").public_channel.removesuffix("noarch/")


def _settings(declaration: Declaration) -> dict[str, str]:
    found, usual = declaration.settings, SolveSettings()
    return {
        name: str(getattr(found, name))
        for name in ("channel_priority", "strategy", "constraints", "exclude_newer")
        if getattr(found, name) != getattr(usual, name)
    }

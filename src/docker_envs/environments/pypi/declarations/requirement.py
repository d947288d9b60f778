"""One requirement, as all files write it: by name (PEP 508), by address, or by a path of the building host.

Spec: PyPA specifications, "Dependency specifiers"; pip docs, "Requirements File Format".
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from docker_envs.environments.pypi.declarations.declaration import LocalProject, PypiRequirement
from docker_envs.errors import InvalidDeclarationError, InvalidInputError

#: What to do about distributions that are no wheels.
_WHEELS_HINT = "build its wheel, and name that"

_REPOSITORY = re.compile(r"(git|hg|svn|bzr)\+")
_EXTRAS = re.compile(r"(?P<target>.*?)(?:\[(?P<extras>[\w.,\s-]*)\])?\Z", re.DOTALL)
_ARCHIVES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
_HASH = re.compile(r"#(?:.*&)?(?P<name>sha256|sha384|sha512)=(?P<value>[0-9a-fA-F]+)")


def read_requirement(
    text: str, *, place: str, directory: Path, hashes: tuple[str, ...] = ()
) -> PypiRequirement | LocalProject:
    """Understand one requirement.

    Args:
        text: The requirement, without comments and options.
        place: Where it stands.
        directory: What paths in it are relative to.
        hashes: Those that go with it.

    Raises:
        InvalidDeclarationError: It is none, or names something that is not there, or no wheel.
    """
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        if not _is_address(text):
            reason = str(error).splitlines()[0]
            raise InvalidDeclarationError(place, f"`{text}` is no requirement: {_lowered(reason)}") from error
        return _by_address(text, place=place, directory=directory, hashes=hashes)
    if found.url is None:
        return PypiRequirement(text, canonicalize_name(found.name), place, hashes)
    located = _located(found.url, place=place, directory=directory)
    if isinstance(located, Path):
        return LocalProject(located, tuple(sorted(found.extras)), place)
    found.url = located
    return PypiRequirement(str(found), canonicalize_name(found.name), place, hashes or _hashes_of(located))


def parse_distribution(text: str) -> str:
    """The normalised name of a distribution.

    Raises:
        InvalidInputError: It is none.
    """
    try:
        return canonicalize_name(text.strip(), validate=True)
    except InvalidName as error:
        raise InvalidInputError(f"{text!r} is no name of a distribution") from error


def _is_address(text: str) -> bool:
    return "/" in text or text.startswith(".") or text.partition("[")[0].endswith((".whl", *_ARCHIVES))


def _by_address(text: str, *, place: str, directory: Path, hashes: tuple[str, ...]) -> PypiRequirement | LocalProject:
    target, _, marker = text.partition(" ;")
    match = _EXTRAS.match(target.strip())
    extras = tuple(sorted(part.strip() for part in (match["extras"] or "").split(",") if part.strip())) if match else ()
    located = _located(match["target"].strip() if match else text, place=place, directory=directory)
    if isinstance(located, Path):
        return LocalProject(located, extras, place)
    name = Path(urlsplit(located).path).name
    try:
        distribution = parse_wheel_filename(name)[0]
    except InvalidWheelFilename as error:
        raise InvalidDeclarationError(place, f"`{name}` is no name of a wheel") from error
    listed = f"[{','.join(extras)}]" if extras else ""
    condition = f" ; {marker.strip()}" if marker.strip() else ""
    found = f"{distribution}{listed} @ {located}{condition}"
    return PypiRequirement(found, distribution, place, hashes or _hashes_of(located))


def _located(address: str, *, place: str, directory: Path) -> str | Path:
    """The URL of a wheel, or the directory of a project."""
    try:
        return _found(address, place=place, directory=directory)
    except (ValueError, RuntimeError, OSError) as error:
        raise InvalidDeclarationError(place, f"cannot make anything of `{address}`: {error}") from error


def _found(address: str, *, place: str, directory: Path) -> str | Path:
    if _REPOSITORY.match(address):
        raise InvalidDeclarationError(place, "a repository has to be built, which is not done", hint=_WHEELS_HINT)
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        if not parts.path.endswith(".whl"):
            raise InvalidDeclarationError(place, f"`{address}` is not the address of a wheel", hint=_WHEELS_HINT)
        return address
    if parts.scheme not in ("", "file"):
        raise InvalidDeclarationError(place, f"unknown kind of address `{address}`")
    bare = url2pathname(parts.path) if parts.scheme else address
    path = (directory / Path(bare).expanduser()).resolve()
    if path.is_dir():
        return path
    if not path.is_file():
        raise InvalidDeclarationError(place, f"there is no `{path}`")
    if path.suffix != ".whl":
        raise InvalidDeclarationError(place, f"`{path.name}` is no wheel", hint=_WHEELS_HINT)
    return path.as_uri() + (f"#{parts.fragment}" if parts.scheme and parts.fragment else "")


def _hashes_of(url: str) -> tuple[str, ...]:
    match = _HASH.search(url)
    return (f"{match['name']}:{match['value'].lower()}",) if match else ()


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]

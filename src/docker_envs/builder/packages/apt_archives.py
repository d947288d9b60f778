"""What archives of Debian packages offer: which archives these are, and their signed indexes by way of the cache.

Archives that a declaration does not name are those that the base itself uses, with the keys that it trusts; of a base
that names none, and of no base, they are Debian's.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.environments.debian.declarations.source import AptSource, debian_sources
from docker_envs.environments.debian.declarations.sources_files import host_sources
from docker_envs.environments.debian.indexing.keyring import is_self_contained, open_keyring
from docker_envs.environments.debian.indexing.reading import ArchiveReader, release_url
from docker_envs.environments.debian.indexing.release import parse_release
from docker_envs.environments.debian.indexing.signatures import verify_clearsigned
from docker_envs.errors import DockerEnvsError, FormatError, InvalidInputError, NotFoundError, redact
from docker_envs.paths import image_path
from docker_envs.transports.blobs import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from docker_envs.environments.debian.declarations.declaration import AptDeclaration
    from docker_envs.environments.debian.indexing.index import PackageIndex
    from docker_envs.environments.debian.indexing.reading import SignedRelease
    from docker_envs.environments.debian.system.base import BaseSystem
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource

_RELEASE = "InRelease"
_DEBIAN = "debian"
_CONFIGURED = ("etc/apt/sources.list", "etc/apt/sources.list.d/")
_KEYS = ("etc/apt/trusted.gpg.d/", "etc/apt/keyrings/", "usr/share/keyrings/")


def read_archives(
    declaration: AptDeclaration,
    system: BaseSystem,
    *,
    architecture: str,
    cache: Path,
    open_url: Callable[[str], ByteSource] | None,
    reporter: Reporter,
) -> PackageIndex:
    """What the archives of a declaration, or else of the base, offer.

    Args:
        declaration: May name them.
        system: The base.
        architecture: Debian's name of it.
        cache: Directory for releases and indexes.
        open_url: Opens an http(s) URL; None where the network must not be used.
        reporter: Hears what is done.

    Raises:
        InvalidInputError: The base is of a distribution whose archives are not known.
        VerificationError: A release is not signed by its archive's keys, too old, or older than one seen before.
        FormatError: An index is malformed.
        TransportError: An archive cannot be reached.
    """
    with ExitStack() as stack:
        if not declaration.sources:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="docker-envs-")))
            declaration = replace(declaration, sources=base_sources(system, root))
        sources = declaration.archives()
        at = declaration.snapshot or datetime.now(UTC)
        releases = _Releases(cache / "releases", open_url)
        reader = ArchiveReader(releases.open, cache=cache / "indexes", at=at, seen=releases.dates(sources, at))
        task = reporter.start("index", ", ".join(redact(source.uri) for source in sources))
        index, signed = reader.read(declaration, architecture)
        releases.keep(signed)
        task.finish(", ".join(dict.fromkeys(each.release.display_name for each in signed)))
        return index


def base_sources(system: BaseSystem, root: Path) -> tuple[AptSource, ...]:
    """The archives that a base uses; Debian's own where it names none.

    Args:
        system: The base.
        root: A directory where its keys may be written, which are needed as long as the sources are.

    Raises:
        InvalidInputError: The base is of another distribution than Debian, and names none.
        FormatError: Its list of archives is malformed.
    """
    for path, content in system.contents.items():
        if path.startswith((*_CONFIGURED, *_KEYS)):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
    try:
        found = host_sources(root / "etc/apt")
    except InvalidInputError as error:
        raise FormatError("base image", str(error).replace(f"{root}/", "/"), hint=error.hint) from error
    usable = [source for source in found if source.uri.partition(":")[0] in ("http", "https")]
    if usable:
        return tuple(replace(source, signed_by=_own_key(source.signed_by, root)) for source in usable)
    return debian_sources_of(system)


def debian_sources_of(system: BaseSystem) -> tuple[AptSource, ...]:
    """Debian's own archives, of the release that a base is of; of the stable one for no base.

    Raises:
        InvalidInputError: The base is of another distribution.
    """
    distribution = system.release.get("ID", _DEBIAN)
    if distribution != _DEBIAN and system.release:
        raise InvalidInputError(
            f"the base is `{system.release.get('PRETTY_NAME', distribution)}`, and names no archives of packages",
            hint="name them with `--apt-source`",
        )
    codename = system.release.get("VERSION_CODENAME")
    return debian_sources(codename) if codename else debian_sources()


def _own_key(signed_by: str, root: Path) -> str:
    """A key of the base as a file of this host; all that apt trusts there where no key is named."""
    if signed_by.startswith("/"):
        return str(root / image_path(signed_by.lstrip("/"), source="a source of the base image"))
    if signed_by and not is_self_contained(signed_by):
        raise FormatError("the base image", f"its sources name the keyring {signed_by!r}, which is no absolute path")
    trusted = sorted((root / "etc/apt/trusted.gpg.d").glob("*")) if not signed_by else []
    if not trusted:
        return signed_by
    joined = root / "trusted.gpg"
    joined.write_bytes(b"".join(path.read_bytes() for path in trusted if path.suffix == ".gpg"))
    return str(joined) if joined.stat().st_size else signed_by


class _Releases:
    """Releases as they were read, kept for builds without network, and to notice when an older one comes back.

    Args:
        folder: Where they are kept.
        open_url: Opens an http(s) URL; None where the network must not be used.
    """

    def __init__(self, folder: Path, open_url: Callable[[str], ByteSource] | None) -> None:
        self._folder = folder
        self._open_url = open_url

    def open(self, url: str) -> ByteSource:
        """Open what an archive has.

        Raises:
            NotFoundError: It is not there, or not kept.
            TransportError: It cannot be reached.
        """
        if self._open_url is None:
            kept = self._kept(url)
            if kept is None:
                raise NotFoundError(
                    f"`{redact(url)}` is not in the cache, and `--offline` forbids the network",
                    hint="build once without `--offline`, or lock the packages",
                )
            return io.BytesIO(kept)
        return self._open_url(url)

    def keep(self, signed: Iterable[SignedRelease]) -> None:
        """Keep what was read, when all of it was verified.

        Raises:
            StorageError: It cannot be written.
        """
        for each in signed:
            with atomic_file(self._path(f"{each.url}{_RELEASE}"), durable=False) as file:
                file.write(each.clearsigned)

    def dates(self, sources: Sequence[AptSource], at: datetime) -> dict[str, datetime]:
        """Dates of the releases that are kept, as `ArchiveReader` wants them."""
        found = {}
        for source in sources:
            for suite in source.suites:
                url = f"{release_url(source, suite)}{_RELEASE}"
                kept = self._kept(url)
                if kept is None:
                    continue
                try:
                    signed = verify_clearsigned(kept, open_keyring(source.signed_by), source=redact(url), at=at)
                    found[f"{source.uri} {suite}"] = parse_release(signed.content, source=redact(url)).date
                except DockerEnvsError:
                    continue  # of other keys, or damaged: as if it had not been seen
        return found

    def _kept(self, url: str) -> bytes | None:
        try:
            return self._path(url).read_bytes()
        except OSError:
            return None

    def _path(self, url: str) -> Path:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()

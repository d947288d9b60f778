"""Package URLs: the names by which databases of vulnerabilities and licences know packages and images.

Spec: Package-URL (ECMA-427), "Type definitions" of conda, deb, oci and pypi. What it leaves open of deb is as syft
writes it, since scanners match on that: `distro` is `debian-12`, and `upstream` names the source package.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from docker_envs.records.record import CONDA, DEB

if TYPE_CHECKING:
    from packageurl import PackageURL

    from docker_envs.digest import Digest
    from docker_envs.oci.reference import Reference
    from docker_envs.records.record import RecordedDistribution, RecordedPackage

# Where the name of a channel alone says where it is.
_NAMING_HOSTS = {"conda.anaconda.org": "", "repo.anaconda.com": "/pkgs"}
_ARCHIVES = {".conda": "conda", ".tar.bz2": "tar.bz2"}
# The type wants a vendor; systems that do not say theirs are made of Debian's own packages.
_VENDOR = "debian"


def package_url(package: RecordedPackage, distribution: RecordedDistribution | None = None) -> PackageURL:
    """The package URL of a package; what is not known of it is left out.

    Args:
        package: The package.
        distribution: What it was chosen for, if it is Debian's.
    """
    from packageurl import PackageURL

    if package.kind == DEB:
        return _debian_url(package, distribution)
    if package.kind != CONDA:
        return PackageURL(type=package.kind, name=package.name, version=package.version)
    archive = next((kind for suffix, kind in _ARCHIVES.items() if package.url.endswith(suffix)), "")
    qualifiers = {
        "build": package.build,
        "channel": channel_name(channel_of(package)),
        "subdir": package.subdir,
        "type": archive,
    }
    return PackageURL(type="conda", name=package.name, version=package.version, qualifiers=_known(qualifiers))


def _debian_url(package: RecordedPackage, distribution: RecordedDistribution | None) -> PackageURL:
    from packageurl import PackageURL

    source = package.source or (package.name if package.source_version else "")
    qualifiers = {
        "arch": package.subdir,
        "distro": str(distribution or ""),
        "upstream": "@".join(filter(None, (source, package.source_version))),
    }
    return PackageURL(
        type="deb",
        namespace=distribution.id.lower() if distribution is not None else _VENDOR,
        name=package.name,
        version=package.version,
        qualifiers=_known(qualifiers),
    )


def image_url(
    name: str, digest: Digest, *, architecture: str | None = None, reference: Reference | None = None
) -> PackageURL:
    """The package URL of an image.

    Args:
        name: Last part of a repository's name.
        digest: Of the manifest or index.
        architecture: As OCI calls it.
        reference: Where it is.
    """
    from packageurl import PackageURL

    qualifiers = {"arch": architecture or ""}
    if reference is not None:
        qualifiers |= {"repository_url": reference.name, "tag": reference.tag or ""}
    return PackageURL(type="oci", name=name.lower(), version=str(digest), qualifiers=_known(qualifiers))


def channel_of(package: RecordedPackage) -> str:
    """The URL of a conda package's channel, without a slash at its end; empty where it is not known."""
    return package.url.rsplit("/", 2)[0] if package.url.count("/") > 3 else ""


def channel_name(url: str) -> str:
    """What a channel is called: its name alone where that says where it is, else its URL; of a local one its folder."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    root = _NAMING_HOSTS.get(parts.netloc)
    if root is not None and path.startswith(f"{root}/"):
        return path.removeprefix(f"{root}/")
    return PurePosixPath(path).name if parts.scheme == "file" else url


def _known(qualifiers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in qualifiers.items() if value}

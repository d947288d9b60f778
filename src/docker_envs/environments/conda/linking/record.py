"""`conda-meta/<package>.json`: what an installer writes beside the files it has linked.

Made from the package alone (its `index.json`, digests and paths), never from the declaration that asked for it or from
repodata: so the record, and the layer that holds it, are the same in every image.

Spec: conda CEP 34; `PrefixRecord` of conda and rattler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.conda.metadata import PackageMetadata
    from docker_envs.environments.conda.package import CondaPackage


class LinkedPath(msgspec.Struct, omit_defaults=True):
    """One file as it was linked; attributes are named as in the record, `path` is its `_path`."""

    path: str = msgspec.field(name="_path")
    path_type: str
    no_link: bool = False
    sha256: str | None = None
    sha256_in_prefix: str | None = None
    size_in_bytes: int | None = None
    file_mode: str | None = None
    prefix_placeholder: str | None = None


def record_path(metadata: PackageMetadata) -> str:
    """Where the record goes, relative to the prefix."""
    return f"conda-meta/{metadata.name}-{metadata.version}-{metadata.build}.json"


def make_record(
    package: CondaPackage, metadata: PackageMetadata, paths: Sequence[LinkedPath], *, sha256: str, md5: str, size: int
) -> bytes:
    """The record's bytes.

    Args:
        package: Where the package came from.
        metadata: What it says about itself.
        paths: What was linked, in any order.
        sha256: Of the archive.
        md5: Of the archive.
        size: Of the archive in bytes.
    """
    paths = sorted(paths, key=lambda path: path.path)
    index: dict[str, Any] = {name: value for name, value in metadata.index.items() if value not in (None, "")}
    document = {
        **index,
        "depends": metadata.depends,
        "subdir": index.get("subdir") or package.subdir,
        "fn": package.file_name,
        "url": package.public_url,
        "channel": package.public_channel,
        "sha256": sha256,
        "md5": md5,
        "size": size,
        "requested_specs": [],
        "files": [path.path for path in paths],
        "paths_data": {"paths": paths, "paths_version": 1},
    }
    ordered = {name: document[name] for name in sorted(document)}
    return msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n"

"""What rattler installs, and how an image may differ from it."""

from __future__ import annotations

import difflib
import hashlib
import json
import stat
import subprocess
import sys
import tarfile
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Literal

import rattler

from docker_envs.archive.entry import Kind as EntryKind
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.paths import parent_paths
from docker_envs.records.record import RECORD_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from docker_envs.oci.image import Image

Kind = Literal["file", "directory", "symlink", "other"]
Aspect = Literal["missing", "extra", "kind", "mode", "content"]

HOST_FIELDS = ("extracted_package_dir", "package_tarball_full_path", "link")
"""Fields of `conda-meta` records that tell where a package's archive was unpacked on the installing host."""

REPODATA_FIELDS = ("indexed_timestamp", "run_exports", "requested_specs")
"""Fields that come from a channel's index or from who asked for the package: in an image, a record (and
so its layer) is a function of the package alone."""


class RattlerError(Exception):
    """What rattler said about an environment that it would not install."""


@dataclass(frozen=True)
class Node:
    """One path of a tree; `content` is a file's digest, a symlink's target, or the JSON of a `conda-meta` record."""

    kind: Kind
    mode: int
    content: str = ""


@dataclass(frozen=True)
class AllowedDifference:
    """`missing` is a path that only rattler writes, `extra` one that only the image has."""

    pattern: str
    aspects: frozenset[Aspect]
    reason: str


ALLOWED = (
    AllowedDifference(
        "CACHEDIR.TAG", frozenset({"missing"}), "tells backup programs of a host to skip the environment"
    ),
    AllowedDifference(
        "conda-meta/history", frozenset({"missing"}), "rattler leaves it empty; conda writes wall time to it"
    ),
    AllowedDifference(
        "conda-meta/*.json",
        frozenset({"mode"}),
        "rattler's come from temporary files with mode 0600; others than root read them",
    ),
    AllowedDifference(
        RECORD_PATH, frozenset({"extra"}), "the image's own record, in a layer of its own on top of the packages'"
    ),
    *(
        AllowedDifference(parent, frozenset({"extra"}), "a directory of the record, where no package has it")
        for parent in parent_paths(RECORD_PATH)
    ),
    AllowedDifference("__clobbers__*", frozenset({"missing"}), "rattler keeps losers' files; an image leaves them out"),
)
"""Every difference that is right, with its reason. For what is dropped from records see `read_record`."""


def install_with_rattler(
    specs: Sequence[str], channel: Path, target_prefix: str, dest_dir: Path, platform: str = "linux-64"
) -> list[str]:
    """Solve and install into `dest_dir` as if it stood at `target_prefix`, without link scripts.

    Returns:
        `subdir/file name` of what was installed, sorted.

    Raises:
        RattlerError: rattler refused, or its process died.
    """
    arguments = [dest_dir, target_prefix, channel.as_uri(), platform, *specs]
    done = subprocess.run(
        [sys.executable, "-m", "tests.rattler_install", *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        umask=0o022,
    )
    if done.returncode:
        raise RattlerError(done.stderr)
    return done.stdout.split()


def read_tree(root: Path) -> dict[str, Node]:
    """Everything below a folder, by POSIX path relative to it."""
    return {path.relative_to(root).as_posix(): _read_node(path, root) for path in sorted(root.rglob("*"))}


def _read_node(host_path: Path, root: Path) -> Node:
    status = host_path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Node("symlink", 0o777, str(host_path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return Node("directory", mode)
    if stat.S_ISREG(status.st_mode):
        return Node("file", mode, _content(host_path.relative_to(root).as_posix(), host_path.read_bytes()))
    return Node("other", mode)


def read_image_tree(stream: BinaryIO, prefix: str = "/opt/conda") -> dict[str, Node]:
    """Everything below a prefix in the tar stream of a flattened image, as `docker export` gives it."""
    tree: dict[str, Node] = {}
    root = PurePosixPath(prefix.strip("/"))
    with tarfile.open(fileobj=stream, mode="r|*") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path == root or not path.is_relative_to(root):
                continue
            name = path.relative_to(root).as_posix()
            if member.islnk():
                tree[name] = tree[PurePosixPath(member.linkname).relative_to(root).as_posix()]
            else:
                tree[name] = _member_node(tar, member, name)
    return tree


def read_image(image: Image, prefix: str = "/opt/conda") -> dict[str, Node]:
    """Everything below a prefix in an image, as a container sees it."""
    root = prefix.strip("/") + "/"
    tree: dict[str, Node] = {}
    links: dict[str, str] = {}
    for entry in iter_flattened([layer.open_tar for layer in image.layers], source="image"):
        path = entry.path.removeprefix(root)
        if path == entry.path:
            continue
        if entry.kind is EntryKind.HARDLINK:
            links[path] = entry.link.removeprefix(root)
        elif entry.kind is EntryKind.SYMLINK:
            tree[path] = Node("symlink", entry.mode, entry.link)
        elif entry.kind is EntryKind.FILE:
            tree[path] = Node("file", entry.mode, _content(path, entry.read()))
        else:
            tree[path] = Node("directory" if entry.kind is EntryKind.DIRECTORY else "other", entry.mode)
    return tree | {path: tree[target] for path, target in links.items()}


def _member_node(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Node:
    mode = stat.S_IMODE(member.mode)
    if member.issym():
        return Node("symlink", 0o777, member.linkname)
    if member.isdir():
        return Node("directory", mode)
    reader = tar.extractfile(member)
    return Node("file", mode, _content(name, reader.read())) if reader else Node("other", mode)


def _content(path: str, content: bytes) -> str:
    if fnmatchcase(path, "conda-meta/*.json"):
        return read_record(content)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def read_record(content: bytes) -> str:
    """A `conda-meta` record as canonical JSON, without what only the installing host knows."""
    left_out = (*HOST_FIELDS, *REPODATA_FIELDS)
    record = {key: value for key, value in json.loads(content).items() if key not in left_out}
    # A channel's index may spell match specs in another way than the package does.
    for key in ("depends", "constrains"):
        record[key] = [str(rattler.MatchSpec(spec)) for spec in record.get(key, ())]
    # Where a local channel stands is the building host's affair, an image holds only its last part.
    for key, parts in (("url", 3), ("channel", 1)):
        if record.get(key, "").startswith("file:"):
            record[key] = "/".join(PurePosixPath(record[key]).parts[-parts:])
    # The order means nothing, and the paths of files that lost a clobber are rattler's own affair.
    record["files"] = sorted(path for path in record["files"] if not path.startswith("__clobbers__/"))
    paths = [entry for entry in record["paths_data"]["paths"] if not entry["_path"].startswith("__clobbers__/")]
    record["paths_data"]["paths"] = sorted(paths, key=lambda entry: str(entry["_path"]))
    return json.dumps(record, indent=1, sort_keys=True)


def compare(
    expected: Mapping[str, Node], actual: Mapping[str, Node], allowed: Iterable[AllowedDifference] = ALLOWED
) -> list[str]:
    """The differences that are not allowed, one legible text each; none if the trees agree."""
    table = tuple(allowed)
    return [
        f"{path}: {aspect}: {text}"
        for path in sorted(expected.keys() | actual.keys())
        for aspect, text in _differences(expected.get(path), actual.get(path))
        if not any(fnmatchcase(path, row.pattern) and aspect in row.aspects for row in table)
    ]


def _without_unindexed_digests(expected: Node, actual: Node) -> Node:
    """A record without the digests of the archive that rattler did not know, since the channel's index lacks them."""
    if not (expected.content.startswith("{") and actual.content.startswith("{")):
        return actual
    known, record = json.loads(expected.content), json.loads(actual.content)
    content = {key: value for key, value in record.items() if key in known or key not in ("md5", "sha256")}
    return replace(actual, content=json.dumps(content, indent=1, sort_keys=True))


def _differences(expected: Node | None, actual: Node | None) -> Iterable[tuple[Aspect, str]]:
    if actual is None:
        yield "missing", f"expected {expected}"
    elif expected is None:
        yield "extra", f"unexpected {actual}"
    elif expected.kind != actual.kind:
        yield "kind", f"{expected} became {actual}"
    else:
        if expected.mode != actual.mode:
            yield "mode", f"{expected.mode:04o} became {actual.mode:04o}"
        actual = _without_unindexed_digests(expected, actual)
        if expected.content != actual.content:
            lines = difflib.unified_diff(expected.content.split("\n"), actual.content.split("\n"), lineterm="", n=1)
            yield "content", "\n".join(lines)

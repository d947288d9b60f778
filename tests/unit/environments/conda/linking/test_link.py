"""A package becomes the entries of a layer, and a record of what became of each of its files."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.entry import DIRECTORY_MTIME, Kind
from docker_envs.environments.conda.linking import link
from docker_envs.environments.conda.linking.link import iter_linked_entries
from docker_envs.environments.conda.linking.link_plan import LinkOptions, plan_link
from docker_envs.environments.conda.linking.noarch import PythonInfo
from docker_envs.environments.conda.metadata import read_metadata
from docker_envs.errors import BuildError, FormatError, PathEscapeError, PrefixTooLongError
from tests.packages import hostile
from tests.packages.build import (
    EPOCH,
    OLD_PLACEHOLDER,
    PLACEHOLDER,
    Directory,
    File,
    Hardlink,
    Node,
    PackageSpec,
    Symlink,
    archive_bytes,
    binary,
    tar_bytes,
    text,
)
from tests.unit.environments.conda.archives import (
    Made,
    compress_zstd,
    raw_tar,
    write_bytes,
    write_info,
    write_spec,
    write_zip,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX = "/opt/env"
PYTHON = PythonInfo("3.11", "lib/python3.11/site-packages")
SHA256 = "a" * 64


@dataclass(frozen=True)
class Linked:
    """An entry whose content was read."""

    kind: Kind
    mode: int
    mtime: int
    content: bytes = b""
    target: str = ""


def link_package(
    made: Made, prefix: str = PREFIX, python: PythonInfo | None = None, dropped: frozenset[str] = frozenset()
) -> dict[str, Linked]:
    """All entries by their path below the prefix."""
    plan = plan_link(made.package, read_metadata(made.archive), options=LinkOptions(prefix), python=python)
    plan = replace(plan, dropped=dropped)
    found = {}
    for entry in iter_linked_entries(plan, made.archive, sha256=SHA256):
        assert entry.path.startswith(f"{prefix[1:]}/")
        assert (entry.uid, entry.gid) == (0, 0)
        path = entry.path.removeprefix(f"{prefix[1:]}/")
        assert path not in found
        found[path] = Linked(entry.kind, entry.mode, entry.mtime, entry.read(), entry.link)
        assert len(found[path].content) == entry.size
    return found


def link_files(
    tmp_path: Path, files: Mapping[str, Node], suffix: str = ".conda", **options: Any
) -> tuple[dict[str, Linked], dict[str, Any]]:
    """The entries of a package of these files besides the record, and the record's paths by their name."""
    found = link_package(write_spec(tmp_path, PackageSpec("made", files=files), suffix), **options)
    record = json.loads(found.pop("conda-meta/made-1.0-0.json").content)
    assert record["sha256"] == SHA256
    del found["conda-meta/history"]
    paths = {entry["_path"]: entry for entry in record["paths_data"]["paths"]}
    assert record["files"] == sorted(paths)
    return found, paths


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_files_and_links_as_they_are(tmp_path: Path, suffix: str) -> None:
    files: dict[str, Node] = {
        "bin/a": text("a\n", 0o755),
        "lib/b": Symlink("../bin/a"),
        "var/x": Directory(0o775),
        "z": File(b"", 0o600),
    }
    found, paths = link_files(tmp_path, files, suffix)
    assert found == {
        "bin/a": Linked(Kind.FILE, 0o755, EPOCH, b"a\n"),
        "lib/b": Linked(Kind.SYMLINK, 0o777, EPOCH, target="../bin/a"),
        "var/x": Linked(Kind.DIRECTORY, 0o755, DIRECTORY_MTIME),
        "z": Linked(Kind.FILE, 0o600, EPOCH),
    }
    assert paths["bin/a"] == {"_path": "bin/a", "path_type": "hardlink", "sha256": sha256(b"a\n"), "size_in_bytes": 2}
    assert paths["lib/b"]["path_type"] == "softlink"
    assert paths["var/x"] == {"_path": "var/x", "path_type": "directory"}


def test_the_history_is_empty_and_the_record_as_old_as_the_newest_file(tmp_path: Path) -> None:
    found = link_package(write_spec(tmp_path, PackageSpec("made", files={"a": text("a\n")})))
    assert found["conda-meta/history"] == Linked(Kind.FILE, 0o644, DIRECTORY_MTIME)
    assert (found["conda-meta/made-1.0-0.json"].mode, found["conda-meta/made-1.0-0.json"].mtime) == (0o644, EPOCH)


def test_the_record_tells_size_and_md5_of_the_archive(tmp_path: Path) -> None:
    made = write_spec(tmp_path, PackageSpec("made"))
    record = json.loads(link_package(made)["conda-meta/made-1.0-0.json"].content)
    content = made.archive.host_path.read_bytes()
    assert (record["size"], record["md5"]) == (len(content), hashlib.md5(content).hexdigest())


def test_placeholders_are_replaced_and_recorded(tmp_path: Path) -> None:
    files = {"etc/a.conf": text(f"root = {PLACEHOLDER}\n"), "lib/b.so": binary(f"{PLACEHOLDER}/lib")}
    found, paths = link_files(tmp_path, files)
    assert found["etc/a.conf"].content == b"root = /opt/env\n"
    assert len(found["lib/b.so"].content) == len(files["lib/b.so"].content)
    assert b"/opt/env/lib\0" in found["lib/b.so"].content
    for path, mode in (("etc/a.conf", "text"), ("lib/b.so", "binary")):
        content, entry = found[path].content, paths[path]
        assert (entry["file_mode"], entry["prefix_placeholder"]) == (mode, PLACEHOLDER)
        assert (entry["sha256_in_prefix"], entry["size_in_bytes"]) == (sha256(content), len(content))


def test_a_file_that_stays_the_same_has_no_digest_of_its_own_in_the_prefix(tmp_path: Path) -> None:
    _, paths = link_files(tmp_path, {"a": File(b"no prefix here\n", placeholder=PLACEHOLDER)})
    assert "sha256_in_prefix" not in paths["a"]


def test_a_patched_module_is_newer_than_its_bytecode(tmp_path: Path) -> None:
    found, _ = link_files(tmp_path, {"a.py": text(f"x = '{PLACEHOLDER}'\n"), "b.py": text("x\n")})
    assert (found["a.py"].mtime, found["b.py"].mtime) == (EPOCH + 1, EPOCH)


def test_special_bits_are_dropped(tmp_path: Path) -> None:
    found, _ = link_files(tmp_path, {"a": text("a\n", 0o6755), "b": text("b\n", 0o1777)})
    assert (found["a"].mode, found["b"].mode) == (0o755, 0o777)


def test_hard_links_share_a_file_that_is_not_changed(tmp_path: Path) -> None:
    found, paths = link_files(tmp_path, {"a": text("a\n"), "b": Hardlink("a"), "c": Hardlink("b")})
    assert (found["b"].kind, found["b"].target) == (Kind.HARDLINK, "opt/env/a")
    assert (found["c"].kind, found["c"].target) == (Kind.HARDLINK, "opt/env/b")
    assert paths["c"]["sha256"] == sha256(b"a\n")
    assert paths["c"]["size_in_bytes"] == 2


def test_hard_links_with_a_placeholder_are_files_of_their_own(tmp_path: Path) -> None:
    found, paths = link_files(tmp_path, {"a": text(f"{PLACEHOLDER}\n"), "b": Hardlink("a")})
    assert found["a"] == found["b"] == Linked(Kind.FILE, 0o644, EPOCH, b"/opt/env\n")
    assert paths["b"]["sha256_in_prefix"] == sha256(b"/opt/env\n")


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_a_hard_link_whose_target_is_not_linked_is_a_file(tmp_path: Path, suffix: str) -> None:
    unlisted: dict[str, Node] = {"a": File(b"a\n", listed=False), "b": Hardlink("a")}
    found, _ = link_files(tmp_path / "unlisted", unlisted, suffix)
    assert found == {"b": Linked(Kind.FILE, found["b"].mode, EPOCH, b"a\n")}
    found, _ = link_files(tmp_path / "lost", {"a": text("a\n"), "b": Hardlink("a")}, suffix, dropped=frozenset({"a"}))
    assert found == {"b": Linked(Kind.FILE, found["b"].mode, EPOCH, b"a\n")}


def test_a_hard_link_to_nothing(tmp_path: Path) -> None:
    spec = PackageSpec("made", files={"a": text("a\n"), "b": Hardlink("a")})
    archive = archive_bytes(spec, ".conda", members=[("b", Hardlink("nowhere"))])
    with pytest.raises(FormatError) as caught:
        link_package(write_bytes(tmp_path, "made-1.0-0.conda", archive))
    assert str(caught.value) == "made-1.0-0.conda: hard link to `nowhere`, which is not in the package"


def test_dropped_paths_are_in_no_layer_and_no_record(tmp_path: Path) -> None:
    files: dict[str, Node] = {"a": text("a\n"), "b/c": text("c\n"), "d": Symlink("a")}
    found, paths = link_files(tmp_path, files, dropped=frozenset({"a", "d"}))
    assert found.keys() == paths.keys() == {"b/c"}


def test_directories_in_the_archive_are_left_out_and_listed_ones_made(tmp_path: Path) -> None:
    made = write_info(
        tmp_path, {"paths.json": {"paths": [{"_path": "a/b", "path_type": "directory"}]}}, [("z", Directory())]
    )
    assert [path for path in link_package(made) if not path.startswith("conda-meta/")] == ["a/b"]


NOARCH = PackageSpec(
    "made",
    files={
        "site-packages/a/b.py": text(f"x = '{PLACEHOLDER}'\n"),
        "python-scripts/tool": text(f"#!{PLACEHOLDER}/bin/python\n", 0o755),
        "share/a": text("a\n"),
    },
    noarch="python",
    entry_points=("command = a.b:main", "other = a.b:C.run"),
)


def test_noarch_packages_go_where_python_is(tmp_path: Path) -> None:
    found = link_package(write_spec(tmp_path, NOARCH), python=PYTHON)
    record = json.loads(found["conda-meta/made-1.0-0.json"].content)
    expected = ["bin/command", "bin/other", "bin/tool", "lib/python3.11/site-packages/a/b.py", "share/a"]
    assert record["files"] == expected
    assert sorted(path for path in found if not path.startswith("conda-meta/")) == expected
    command = found["bin/command"]
    assert (command.kind, command.mode, command.mtime) == (Kind.FILE, 0o775, EPOCH)
    assert command.content.startswith(b"#!/opt/env/bin/python3.11\n")
    assert b"\nfrom a.b import main\n" in command.content
    paths = {entry["_path"]: entry for entry in record["paths_data"]["paths"]}
    assert paths["bin/command"]["path_type"] == "unix_python_entry_point"
    assert paths["bin/command"]["sha256"] == sha256(command.content)


def test_a_lost_console_script_is_left_out(tmp_path: Path) -> None:
    found = link_package(write_spec(tmp_path, NOARCH), python=PYTHON, dropped=frozenset({"bin/command"}))
    assert "bin/command" not in found
    assert "bin/other" in found


def test_target_files_are_what_is_linked(tmp_path: Path) -> None:
    made = write_spec(tmp_path, NOARCH)
    plan = plan_link(made.package, read_metadata(made.archive), options=LinkOptions(PREFIX), python=PYTHON)
    found = link_package(made, python=PYTHON)
    assert set(plan.target_files()) == {path for path in found if not path.startswith("conda-meta/")}


def test_python_packages_need_python(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        link_package(write_spec(tmp_path, NOARCH))
    assert str(caught.value) == "package `made` is for Python, but the environment has none"
    assert caught.value.hint == "add `python` to the specs"


@pytest.mark.parametrize("length", [32, 33])
def test_the_prefix_must_fit_into_binary_placeholders(tmp_path: Path, length: int) -> None:
    prefix = "/opt/" + "p" * (length - 5)
    made = write_spec(tmp_path, PackageSpec("made", files={"b": binary(OLD_PLACEHOLDER, placeholder=OLD_PLACEHOLDER)}))
    if length == 32:
        assert prefix.encode() in link_package(made, prefix)["b"].content
        return
    with pytest.raises(PrefixTooLongError) as caught:
        link_package(made, prefix)
    assert (caught.value.package, caught.value.path, caught.value.limit) == ("made", "b", 32)


def test_the_length_of_a_prefix_is_in_bytes(tmp_path: Path) -> None:
    made = write_spec(tmp_path, PackageSpec("made", files={"b": binary(OLD_PLACEHOLDER, placeholder=OLD_PLACEHOLDER)}))
    with pytest.raises(PrefixTooLongError):
        link_package(made, "/" + "ü" * 16)


def test_a_text_placeholder_sets_no_limit(tmp_path: Path) -> None:
    prefix = "/opt/" + "p" * 300
    found, _ = link_files(tmp_path, {"a": text(f"{OLD_PLACEHOLDER}\n", placeholder=OLD_PLACEHOLDER)}, prefix=prefix)
    assert found["a"].content == f"{prefix}\n".encode()


def test_files_that_are_too_large_to_be_patched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_PATCHED_SIZE", 300)
    link_files(tmp_path / "fits", {"a": text(PLACEHOLDER)})
    with pytest.raises(BuildError) as caught:
        link_files(tmp_path / "large", {"a": text(PLACEHOLDER + "x" * 100)})
    assert str(caught.value) == "package `made`: `a` needs its prefix replaced, but has 355 bytes (limit 300)"


REFUSED = {
    hostile.duplicate_path: (FormatError, "bad-1.0-0.conda: the archive has `share/bad/file.txt` twice"),
    hostile.missing_file: (
        FormatError,
        "bad-1.0-0.conda: `share/bad/missing.txt` is listed in its metadata, but not there",
    ),
    hostile.path_through_symlink: (
        FormatError,
        "bad-1.0-0.conda: `share/out/escaped.txt` is listed below `share/out`, which is no directory",
    ),
    hostile.parent_path: (
        PathEscapeError,
        "bad-1.0-0.conda: info/paths.json: path 'share/../../../escaped.txt' points outside of the root",
    ),
    hostile.absolute_path: (
        PathEscapeError,
        "bad-1.0-0.conda: info/paths.json: path '/escaped.txt' points outside of the root",
    ),
}


@pytest.mark.parametrize("write", REFUSED, ids=lambda write: write.__name__)
def test_hostile_packages_are_refused(tmp_path: Path, write: Any) -> None:
    kind, message = REFUSED[write]
    archive = write(tmp_path / "channel") / "linux-64/bad-1.0-0.conda"
    with pytest.raises(kind) as caught:
        link_package(write_bytes(tmp_path, archive.name, archive.read_bytes()))
    assert str(caught.value) == message


@pytest.mark.parametrize("path", ["../../escaped", "/escaped"])
def test_hostile_paths_that_only_the_archive_has(tmp_path: Path, path: str) -> None:
    made = write_info(tmp_path, {"paths.json": {"paths": []}}, [(path, text("escaped\n"))])
    with pytest.raises(PathEscapeError):
        link_package(made)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("dev")
    member.type = kind
    info = [("info/index.json", File(b'{"name": "made", "version": "1.0", "build": "0"}'))]
    info.append(("info/paths.json", File(b'{"paths": [{"_path": "dev"}]}')))
    parts = {"pkg-made-1.0-0.tar.zst": raw_tar(member), "info-made-1.0-0.tar.zst": tar_bytes(info)}
    made = write_zip(tmp_path, {name: compress_zstd(content) for name, content in parts.items()})
    with pytest.raises(FormatError) as caught:
        link_package(made)
    assert str(caught.value) == "made-1.0-0.conda: `dev` is a device or pipe, which packages must not hold"


def test_truncation_is_noticed_while_linking(tmp_path: Path) -> None:
    tar = tar_bytes([("a", text("a\n" * 4096))])
    made = write_info(tmp_path, {"paths.json": {"paths": [{"_path": "a"}]}})
    index = made.archive.read_metadata()
    members = [(path, File(content)) for path, content in index.items()]
    parts = {"pkg-made-1.0-0.tar.zst": tar[:2048], "info-made-1.0-0.tar.zst": tar_bytes(members)}
    made = write_zip(tmp_path, {name: compress_zstd(content) for name, content in parts.items()})
    with pytest.raises(FormatError, match="truncated tar archive"):
        link_package(made)

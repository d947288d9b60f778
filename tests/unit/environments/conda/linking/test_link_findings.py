"""What only shows in the files: links that lead out, bits and attributes, and sizes that are not as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.errors import FormatError
from tests.packages import hostile
from tests.packages.build import PLACEHOLDER, Directory, File, PackageSpec, Symlink, archive_bytes, binary, text
from tests.unit.environments.conda.linked import PREFIX, Linked, link_files, link_packages, read_package

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node


@pytest.mark.parametrize(
    ("target", "leads_out"),
    [
        ("file", False),
        ("../../share/file", False),
        ("../..", False),
        ("../../lib/../bin", False),
        ("/opt/env/share/file", False),
        ("../../..", True),
        ("../../../other/file", True),
        ("/etc/hostname", True),
        ("/opt/environment", True),
        (f"{PLACEHOLDER}/share/file", True),
    ],
)
def test_links_that_lead_out_are_found_and_kept(tmp_path: Path, target: str, leads_out: bool) -> None:
    made = link_files(tmp_path, {"share/a/link": Symlink(target)})
    assert made.files["share/a/link"] == Linked(Kind.SYMLINK, 0o777, link=target)
    text = f"leads out of the prefix, to `{target}`"
    expected = [Finding(FindingKind.OUTSIDE_LINK, "made", "share/a/link", text)]
    assert made.findings == (expected if leads_out else [])


@pytest.mark.parametrize(
    ("mode", "kept", "found"),
    [(0o4755, 0o755, True), (0o2755, 0o755, True), (0o6711, 0o711, True), (0o1644, 0o644, False)],
)
def test_special_bits_are_dropped_unless_asked_for(tmp_path: Path, mode: int, kept: int, found: bool) -> None:
    files = {"bin/su": File(b"#!/bin/sh\n", mode)}
    made = link_files(tmp_path, files)
    assert made.files["bin/su"].mode == kept
    text = f"lost its set-user-id or set-group-id bit: its mode was {mode:04o}"
    assert made.findings == [Finding(FindingKind.SETUID_DROPPED, "made", "bin/su", text)] * found
    asked = link_files(tmp_path, files, LinkOptions(PREFIX, keep_setuid=True))
    assert asked.files["bin/su"].mode == mode
    assert asked.findings == []
    assert asked.plan.layers[0].key != made.plan.layers[0].key


@pytest.mark.parametrize("placeholder", ["", PLACEHOLDER])
def test_attributes_of_files_are_kept_but_not_those_of_the_building_machine(tmp_path: Path, placeholder: str) -> None:
    xattrs = {
        "user.origin": "here",
        "security.capability": "\1\0\0\2",
        "security.selinux": "x",
        "trusted.overlay.x": "y",
    }
    made = link_files(tmp_path, {"bin/ping": File(b"x\n", 0o755, placeholder, xattrs=xattrs)})
    assert made.files["bin/ping"].xattrs == {"user.origin": b"here", "security.capability": b"\1\0\0\2"}
    assert made.findings == [Finding(FindingKind.CAPABILITY, "made", "bin/ping", "has capabilities of its own")]


def test_a_file_larger_than_declared(tmp_path: Path) -> None:
    archive = hostile.wrong_size(tmp_path / "bad") / "linux-64/bad-1.0-0.conda"
    package = read_package(tmp_path, PackageSpec("bad"), archive.read_bytes())
    with pytest.raises(FormatError) as caught:
        link_packages(tmp_path, package)
    message = "bad-1.0-0.conda: `share/bad/noise.bin` has 1,048,576 bytes, but its metadata declare 16,384"
    assert str(caught.value) == message


@pytest.mark.parametrize("actual", [text(f"{PLACEHOLDER}\n" * 2), binary(PLACEHOLDER)])
def test_files_to_be_patched_must_have_their_size_as_well(tmp_path: Path, actual: File) -> None:
    declared = PackageSpec("made", files={"a": text(f"{PLACEHOLDER}\n")})
    archive = archive_bytes(declared, ".conda", members=[("a", actual)])
    with pytest.raises(FormatError, match=r"`a` has .* bytes, but its metadata declare 256"):
        link_packages(tmp_path, read_package(tmp_path, declared, archive))


@pytest.mark.parametrize("node", [text("a\n"), Symlink("b")])
def test_what_is_declared_a_directory_must_be_one(tmp_path: Path, node: Node) -> None:
    declared = PackageSpec("made", files={"a": Directory()})
    archive = archive_bytes(declared, ".conda", members=[("a", node)])
    with pytest.raises(FormatError) as caught:
        link_packages(tmp_path, read_package(tmp_path, declared, archive))
    assert str(caught.value) == "made-1.0-0.conda: `a` is no directory, as its metadata declare"


def test_a_finding_reads_as_a_sentence() -> None:
    finding = Finding(FindingKind.OUTSIDE_LINK, "made", "share/a", "leads out of the prefix, to `/etc`")
    assert str(finding) == "`share/a` of `made` leads out of the prefix, to `/etc`"

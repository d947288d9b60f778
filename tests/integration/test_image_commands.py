"""`ls`, `cat`, `export`, `flatten`, `append`, `mutate` and `validate` beside Docker, podman, skopeo and umoci."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.oci.reference import Reference
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import CMD, ENV, LABELS
from tests.builds import Outcome, docker_envs
from tests.services import require_programs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from docker_envs.oci.image import Image
    from tests.base_image import BaseImage
    from tests.services import Engine

#: What an engine makes in every container.
ENGINES_OWN = {"dev", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys", ".dockerenv", "run"}


def run(tmp_path: Path, *arguments: str | Path) -> Outcome:
    done = docker_envs(*arguments, cache=tmp_path / "cache")
    assert done.status == 0, done.stderr
    return done


def skopeo(*arguments: str | Path) -> bytes:
    require_programs("skopeo")
    command = ["skopeo", "--insecure-policy", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def umoci_unpack(layout: Path, tag: str, folder: Path) -> Path:
    require_programs("umoci")
    command = ["umoci", "unpack", "--image", f"{layout}:{tag}", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "rootfs"


def layout_image(path: Path, tag: str) -> Image:
    (found,) = read_layout(path, reference=tag)
    validate_image(found.image)
    return found.image


Facts = dict[str, tuple[str, int, str]]


def tar_facts(content: bytes) -> Facts:
    """Kind, mode, and digest or link target by path."""
    facts: Facts = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            if member.islnk():
                facts[member.name] = facts[member.linkname]
                continue
            file = tar.extractfile(member) if member.isreg() else None
            text = hashlib.sha256(file.read()).hexdigest() if file else member.linkname
            facts[member.name.rstrip("/")] = (
                member.type.decode(),
                0o777 if member.issym() else member.mode & 0o7777,
                text,
            )
    return facts


def tree_facts(root: Path) -> Facts:
    """The same of a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, path.relative_to(root).as_posix(), recursive=False)
    return tar_facts(out.getvalue())


def without_engines(facts: Facts) -> Facts:
    return {
        path: fact for path, fact in facts.items() if path.split("/")[0] not in ENGINES_OWN and path not in ENGINES_OWN
    }


@pytest.fixture
def layered(base_layout: Path, tmp_path: Path) -> Path:
    """The base image with layers whose parents have no entries, a directory that is opaque, and hard links."""
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    with tarfile.open(first, "w") as tar:
        for name in ("opt/a/one", "opt/a/two", "tmp/in-tmp"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
        link = tarfile.TarInfo("opt/a/hard")
        link.type, link.linkname = tarfile.LNKTYPE, "opt/a/one"
        tar.addfile(link)
    with tarfile.open(second, "w") as tar:
        for name in ("opt/a/.wh..wh..opq", "srv/.wh.second.txt", "opt/a/three"):
            tar.addfile(tarfile.TarInfo(name))
    run(tmp_path, "append", f"oci:{base_layout}:single", "-f", first, "-f", second, "-t", f"oci:{tmp_path}/layered:x")
    return tmp_path / "layered"


def test_export_has_what_umoci_unpacks(layered: Path, tmp_path: Path) -> None:
    run(tmp_path, "export", f"oci:{layered}:x", "-o", tmp_path / "out.tar")
    exported = tar_facts((tmp_path / "out.tar").read_bytes())
    assert exported == tree_facts(umoci_unpack(layered, "x", tmp_path / "bundle"))
    assert exported["tmp"][1] == 0o1777
    assert "opt/a/one" not in exported


def test_export_has_what_docker_exports(layered: Path, tmp_path: Path, engine: Engine) -> None:
    name = "example.org/fixture/layered:1"
    run(tmp_path, "copy", f"oci:{layered}:x", f"docker-daemon:{name}")
    container = engine.client.containers.create(name, network_mode="none")
    try:
        chunks: Iterable[Any] = container.export()
        theirs = without_engines(tar_facts(b"".join(chunks)))
    finally:
        container.remove()
    run(tmp_path, "export", f"oci:{layered}:x", "-o", tmp_path / "out.tar")
    ours = without_engines(tar_facts((tmp_path / "out.tar").read_bytes()))
    # An engine of that age gives directories that a layer does not name the mode 0755, whatever lower layers say.
    assert {**ours, "tmp": theirs["tmp"]} == theirs


def test_export_of_a_registrys_image(base_image: BaseImage, tmp_path: Path) -> None:
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{base_image.oci}", f"oci:{tmp_path}/copy:x")
    run(tmp_path, "export", base_image.oci, "-o", tmp_path / "out.tar")
    ours = tar_facts((tmp_path / "out.tar").read_bytes())
    assert ours == tree_facts(umoci_unpack(tmp_path / "copy", "x", tmp_path / "bundle"))
    if crane := shutil.which("crane"):
        theirs = subprocess.run([crane, "export", base_image.oci, "-"], check=True, capture_output=True).stdout
        # It leaves out directories that no layer has an entry for.
        assert tar_facts(theirs).items() <= ours.items()


def test_ls_and_cat(base_image: BaseImage, tmp_path: Path) -> None:
    for source in (base_image.oci, base_image.docker):
        assert run(tmp_path, "ls", source, "/etc").stdout.split() == ["architecture", "group", "layer", "passwd"]
        assert run(tmp_path, "cat", source, "/etc/layer", "etc/group").stdout == "third\nroot:x:0:\n"
    found = json.loads(run(tmp_path, "ls", "-R", "--json", base_image.oci).stdout)
    run(tmp_path, "export", base_image.oci, "-o", tmp_path / "out.tar")
    exported = tar_facts((tmp_path / "out.tar").read_bytes())
    assert {entry["path"][1:]: entry["mode"] for entry in found} == {
        path: f"{mode:04o}" for path, (_, mode, _) in exported.items()
    }


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_flattened_image_for_other_tools(layered: Path, tmp_path: Path, compression: str) -> None:
    run(tmp_path, "flatten", f"oci:{layered}:x", "-t", f"oci:{tmp_path}/flat:y", "--compression", compression)
    image = layout_image(tmp_path / "flat", "y")
    assert len(image.layers) == 1
    assert image.annotations["org.example.fixture"] == "kept"
    assert image.config.document["x-fixture"] == {"kept": True}
    assert tree_facts(umoci_unpack(tmp_path / "flat", "y", tmp_path / "one")) == tree_facts(
        umoci_unpack(layered, "x", tmp_path / "many")
    )
    shown = json.loads(skopeo("inspect", f"oci:{tmp_path}/flat:y"))
    assert shown["Labels"] == LABELS
    assert len(shown["Layers"]) == 1


def test_every_platform_is_flattened(base_image: BaseImage, registry: str, tmp_path: Path) -> None:
    printed = run(tmp_path, "flatten", base_image.index, "-t", f"{registry}/fixture/flat:1").stdout.strip()
    index = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{printed}"))
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert run(tmp_path, "validate", printed).stdout.startswith("ok: 2 images, 2 layers, ")
    for architecture in ("amd64", "arm64"):
        options = ("--platform", f"linux/{architecture}")
        assert run(tmp_path, "cat", printed, "/etc/architecture", *options).stdout == f"{architecture}\n"


@pytest.fixture
def application(tmp_path: Path) -> Path:
    root = tmp_path / "application"
    (root / "bin").mkdir(parents=True)
    (root / "bin/hello").write_text("#!/bin/sh\necho hello from the application\n")
    (root / "bin/hello").chmod(0o755)
    (root / "bin/hello.pyc").write_text("")
    (root / "here").symlink_to("bin/hello")
    os.link(root / "bin/hello", root / "same")
    return root


def test_docker_runs_an_appended_image(
    base_image: BaseImage, registry: str, application: Path, tmp_path: Path, engine: Engine
) -> None:
    target = f"{registry}/fixture/appended:1"
    run(tmp_path, "append", base_image.oci, "--path", f"{application}:/opt/app", "--path", f"{application}:/tmp/x/app",
        "--exclude", "*.pyc", "--owner", "7:8", "-t", target)  # fmt: skip
    script = "/opt/app/here; ls /opt/app/bin; stat -c '%a %u:%g' /opt/app/bin/hello /tmp /opt"
    assert engine.run(target, "/bin/sh", "-c", script).splitlines() == [
        "hello from the application", "hello", "755 7:8", "1777 0:0", "755 0:0"
    ]  # fmt: skip
    image = RegistryClient().image(Reference.parse(target))
    validate_image(image)
    base = RegistryClient().image(Reference.parse(base_image.oci))
    assert image.layers[: len(base.layers)] == base.layers


def test_an_appended_image_for_other_tools(base_layout: Path, application: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-C", application, "-czf", tmp_path / "app.tar.gz", "."], check=True)
    run(tmp_path, "append", f"oci:{base_layout}:single", "-f", tmp_path / "app.tar.gz", "-t", f"oci:{tmp_path}/out:x")
    image = layout_image(tmp_path / "out", "x")
    assert image.layers[-1].digest.hex == hashlib.sha256((tmp_path / "app.tar.gz").read_bytes()).hexdigest()
    unpacked = umoci_unpack(tmp_path / "out", "x", tmp_path / "bundle")
    assert (unpacked / "bin/hello").read_bytes() == (application / "bin/hello").read_bytes()
    assert (unpacked / "bin/hello").stat().st_ino == (unpacked / "same").stat().st_ino


def test_a_mutated_image_for_docker_and_skopeo(
    base_image: BaseImage, registry: str, tmp_path: Path, engine: Engine
) -> None:
    target = f"{registry}/fixture/mutated:1"
    changes = ["-e", "FIXTURE=mutated", "-l", "new=label", "-w", "/tmp", "--stop-signal", ""]
    command = "/bin/sh -c 'echo $FIXTURE in $PWD'"
    printed = run(tmp_path, "mutate", base_image.docker, "-t", target, *changes, "--cmd", command).stdout.strip()
    assert engine.run(target) == "mutated in /tmp\n"
    shown = json.loads(skopeo("inspect", "--config", "--tls-verify=false", f"docker://{printed}"))["config"]
    assert shown["Labels"] == {**LABELS, "new": "label"}
    assert shown["Env"] == [ENV[0], "FIXTURE=mutated"]
    assert "StopSignal" not in shown
    assert tuple(shown["Cmd"]) != CMD
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{printed}"))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"


def test_validation_of_a_registrys_image(base_image: BaseImage, tmp_path: Path) -> None:
    for source in (base_image.oci, base_image.docker):
        for options in ([], ["--fast"]):
            assert run(tmp_path, "validate", source, *options).stdout.startswith("ok: 1 image, 3 layers, ")
    assert run(tmp_path, "validate", base_image.index).stdout.startswith("ok: 2 images, ")


def test_validation_of_what_others_wrote(base_layout: Path, tmp_path: Path) -> None:
    skopeo("copy", "-q", f"oci:{base_layout}:single", f"docker-archive:{tmp_path}/skopeo.tar:app:1")
    assert run(tmp_path, "validate", f"docker-archive:{tmp_path}/skopeo.tar").stdout.startswith("ok: 1 image, 3 layers")

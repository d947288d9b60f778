"""Images copied between real registries, files, programs and an engine, as users do it on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.layout_writing import write_layout
from tests.builds import environment
from tests.images import ARM64, make_image, make_layer
from tests.services import require_programs, run_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.base_image import BaseImage
    from tests.services import Engine

SHARED = make_layer({"usr/share/shared": os.urandom(200_000)})
IMAGE = make_image(SHARED, {"etc/one": b"one\n"})
OTHER = make_image(SHARED, {"etc/one": b"other\n"}, platform=ARM64)


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "docker_envs", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, **options)


def ok(*arguments: object, **options: Any) -> str:
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def skopeo(*arguments: str) -> str:
    require_programs("skopeo")
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(autouse=True)
def _variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(tmp_path / "cache").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    path = tmp_path / "layout"
    write_layout(path, [NamedImage(IMAGE, (Reference.parse("example.org/app:1"),), (OTHER,))])
    return path


@pytest.fixture(scope="module")
def second_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_registry(tmp_path_factory.mktemp("second")) as address:
        yield address


def test_from_layout_to_registry_to_registry_to_archive(
    layout: Path, tmp_path: Path, registry: str, second_registry: str
) -> None:
    digest = NamedImage(IMAGE, (), (OTHER,)).descriptor.digest
    chain = [
        f"oci:{layout}:1",
        f"{registry}/copied:1",
        f"docker://{second_registry}/copied/again:2",
        f"{tmp_path}/a.tar",
    ]
    for source, destination in pairwise(chain):
        assert ok("copy", "-q", source, destination).strip() == digest
    for archive in (f"oci-archive:{tmp_path}/a.tar", f"docker://{second_registry}/copied/again:2"):
        inspected = json.loads(skopeo("inspect", "--tls-verify=false", "--raw", archive))
        assert {entry["digest"] for entry in inspected["manifests"]} == {IMAGE.digest, OTHER.digest}


def test_a_copy_within_a_registry_moves_no_layer(base_image: BaseImage, registry: str, tmp_path: Path) -> None:
    require_programs("skopeo")
    done = run("copy", base_image.oci, f"{registry}/mounted/elsewhere:1")
    assert done.returncode == 0, done.stderr.decode()
    lines = [line for line in done.stderr.decode().splitlines() if "layer" in line]
    assert lines
    assert all("mounted" in line for line in lines)
    again = run("copy", base_image.oci, f"{registry}/mounted/elsewhere:1")
    assert "exists" in again.stderr.decode()


def test_images_come_from_standard_input_and_go_to_standard_output(layout: Path, tmp_path: Path, registry: str) -> None:
    program = [sys.executable, "-m", "docker_envs", "copy", f"oci:{layout}:1", "-"]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as source:
        done = run("copy", "--platform", "linux/arm64", "-", f"{registry}/piped:1", stdin=source.stdout)
    assert done.returncode == 0, done.stderr.decode()
    assert source.returncode == 0
    assert done.stdout.decode().strip() == OTHER.digest
    assert json.loads(skopeo("inspect", "--tls-verify=false", "--override-arch=arm64", f"docker://{registry}/piped:1"))


def test_a_reader_that_goes_away_is_one_error(layout: Path) -> None:
    program = [sys.executable, "-m", "docker_envs", "copy", f"oci:{layout}:1", "-"]
    source = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert source.stdout is not None
    source.stdout.close()
    _, errors = source.communicate(timeout=60)
    assert source.returncode == 4
    assert b"Traceback" not in errors
    assert b"its reader went away" in errors


def test_skopeo_and_we_agree_on_archives(tmp_path: Path, base_image: BaseImage, registry: str) -> None:
    skopeo(
        "copy", "-q", "--src-tls-verify=false", f"docker://{base_image.oci}", f"docker-archive:{tmp_path}/s.tar:app:1"
    )
    ok("copy", f"docker-archive:{tmp_path}/s.tar:app:1", f"{registry}/from-skopeo:1")
    ok("copy", f"{registry}/from-skopeo:1", f"docker-archive:{tmp_path}/ours.tar:app:2")
    skopeo("copy", "-q", f"docker-archive:{tmp_path}/ours.tar:app:2", f"oci:{tmp_path}/back:3")
    listed = json.loads(ok("inspect", "--json", f"oci:{tmp_path}/back:3"))
    expected = json.loads(ok("inspect", "--json", f"{registry}/from-skopeo:1"))
    assert [layer["diff_id"] for layer in listed["layers"]] == [layer["diff_id"] for layer in expected["layers"]]
    assert listed["config"]["config"] == expected["config"]["config"]


def test_into_and_out_of_an_engine(engine: Engine, base_image: BaseImage, registry: str, tmp_path: Path) -> None:
    ok("copy", base_image.oci, "docker-daemon:engine-copy:1")
    assert "engine-copy:1" in engine.client.images.get("engine-copy:1").tags
    ok("copy", "docker-daemon:engine-copy:1", f"{registry}/engine-copy:2")
    ours = json.loads(ok("inspect", "--json", f"{registry}/engine-copy:2"))
    base = json.loads(ok("inspect", "--json", base_image.oci))
    assert [layer["diff_id"] for layer in ours["layers"]] == [layer["diff_id"] for layer in base["layers"]]
    assert ours["config"]["config"]["Env"] == base["config"]["config"]["Env"]


def test_lists_and_deletions(layout: Path, registry: str) -> None:
    for tag in ("one", "two"):
        ok("copy", "-q", f"oci:{layout}:1", f"{registry}/listed/app:{tag}")
    # docker-registry lists them as its file system does.
    assert sorted(ok("tags", f"{registry}/listed/app").split()) == ["one", "two"]
    assert "listed/app" in ok("catalog", registry).split()
    assert sorted(json.loads(ok("tags", "--json", f"{registry}/listed/app"))) == ["one", "two"]
    refused = run("delete", f"{registry}/listed/app:one")
    assert refused.returncode == 4
    assert b"cannot delete a tag alone" in refused.stderr
    assert b"hint: `--manifest` deletes" in refused.stderr
    assert ok("delete", "--manifest", "--dry-run", f"{registry}/listed/app:one").startswith("would delete manifest")
    assert ok("delete", "--manifest", f"{registry}/listed/app:one").startswith("deleted manifest")
    assert ok("tags", f"{registry}/listed/app").split() == []
    gone = run("delete", "--manifest", f"{registry}/listed/app:two")
    assert gone.returncode == 4
    assert b"not found" in gone.stderr
    assert run("tags", f"{registry}/never/was").returncode == 4


def test_referrers_of_a_real_registry(registry: str, tmp_path: Path, layout: Path) -> None:
    """docker-registry 2.8 has no referrers API, so they are under the tag that stands in for it."""
    ok("copy", "-q", "--platform", "linux/amd64", f"oci:{layout}:1", f"{registry}/referred:1")
    assert ok("referrers", f"{registry}/referred:1") == ""
    script = (
        "import sys; from docker_envs.digest import Digest; from docker_envs.oci.reference import Reference\n"
        "from docker_envs.transports.registry.client import RegistryClient\n"
        "from tests.unit.oci.test_artifact import signature\n"
        "artifact = signature(Digest(sys.argv[2]))\n"
        "RegistryClient().push_artifact(artifact, Reference.parse(f'{sys.argv[1]}@{artifact.digest}'))\n"
    )
    subprocess.run([sys.executable, "-c", script, f"{registry}/referred", IMAGE.digest], check=True)
    (listed,) = json.loads(ok("referrers", "--json", f"{registry}/referred:1"))
    assert listed["artifactType"] == "application/vnd.example.signature.v1"
    ok("copy", "-q", f"{registry}/referred@{listed['digest']}", f"oci:{tmp_path}/signature:1")
    described = json.loads(ok("inspect", "--json", f"oci:{tmp_path}/signature:1"))
    assert described["digest"] == listed["digest"]


def test_layouts_are_cleaned(layout: Path) -> None:
    ok("copy", "-q", "--platform", "linux/arm64", f"oci:{layout}:1", f"oci:{layout}:2")
    assert ok("delete", f"oci:{layout}:1").startswith("deleted")
    planned = json.loads(ok("layout", "gc", "--dry-run", "--json", layout))
    assert ok("layout", "gc", layout).startswith(f"removed {len(planned['files'])} files")
    skopeo("copy", "-q", "--override-arch=arm64", f"oci:{layout}:2", f"oci:{layout}-copy:2")

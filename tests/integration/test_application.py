"""What a declaration puts into an image beyond packages, in a real engine; `.dockerignore` against Docker's builder."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.builder.application.accounts import Group, User
from docker_envs.builder.application.contents import FilesLayer, HostFiles, InlineFile, ProjectSource, ProjectWheel
from docker_envs.builder.application.host_tree import iter_host_files
from docker_envs.builder.build import build
from docker_envs.builder.request import BuildRequest, Destinations
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.solving.channels import parse_channel
from docker_envs.errors import InvalidInputError
from docker_envs.images.container import ContainerSettings, Healthcheck
from docker_envs.images.location import parse_location
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.reference import Reference
from docker_envs.validate import validate_image
from tests.base_image import HOST_ARCHITECTURE
from tests.images import flattened
from tests.packages.wheel import write_project
from tests.services import require_programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.base_image import BaseImage
    from tests.services import Engine

PLATFORM = Platform("linux", HOST_ARCHITECTURE)


def write(root: Path, files: dict[str, str], *, umask: int = 0o022) -> Path:
    before = os.umask(umask)
    try:
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    finally:
        os.umask(before)
    return root


def request(tmp_path: Path, base: str | None, channel: Path, **fields: Any) -> BuildRequest:
    declaration = Declaration(channels=(parse_channel(channel.as_uri(), directory=tmp_path),), specs=("python 3.11.4",))
    return BuildRequest(
        base=None if base is None else parse_location(base),
        declaration=fields.pop("declaration", declaration),
        platform=PLATFORM,
        cache=tmp_path / "cache",
        **fields,
    )


def application(root: Path) -> dict[str, Any]:
    """All kinds of contents."""
    return {
        "users": (User(name="app", uid=1000, groups=("team",)),),
        "groups": (Group(name="team", gid=50),),
        "files": (
            FilesLayer(
                "files",
                (
                    HostFiles(context=root, source="conf", path="/etc/app", owner="app:team", mode=0o640),
                    InlineFile(path="/home/app/.profile", content=b"export A=1\n", owner="app"),
                ),
            ),
            FilesLayer("source", (ProjectSource(HostFiles(context=root, source="lib", path="/srv/lib", owner="app")),)),
            FilesLayer("project", (ProjectWheel(root / "demo"),)),
        ),
        "container": ContainerSettings(
            user="app",
            workdir="/home/app",
            ports=("8080", "53/udp"),
            volumes=("/var/lib/app",),
            stop_signal="SIGINT",
            healthcheck=Healthcheck(test=("CMD", "true"), interval=10**9, retries=2),
            shell=("/bin/sh", "-ec"),
        ),
    }


def write_sources(root: Path, *, umask: int = 0o022) -> Path:
    files = {"conf/a.ini": "a", "conf/b/c.ini": "c", "conf/skip.tmp": "", ".dockerignore": "**/*.tmp\n"}
    write(
        root,
        files | {"lib/pyproject.toml": '[project]\nname = "lib"\nversion = "2"\n', "lib/lib.py": "x = 1\n"},
        umask=umask,
    )
    before = os.umask(umask)
    try:
        write_project(root / "demo")
    finally:
        os.umask(before)
    return root


def test_it_runs_in_an_engine(tmp_path: Path, base_image: BaseImage, channel: Path, engine: Engine) -> None:
    root = write_sources(tmp_path / "sources")
    name = Reference.parse("application:1")
    destinations = Destinations(names=(name,), load=True)
    result = build(
        request(tmp_path, f"docker://{base_image.oci}", channel, destinations=destinations, **application(root))
    )
    validate_image(result.image)
    run = engine.run
    image = "application:1"
    assert run(image, "sh", "-c", "id -u; id -g; id -un").split() == ["1000", "1000", "app"]
    assert set(run(image, "id", "-Gn").split()) == {"app", "team"}
    line = "stat -c '%a %U:%G %n' /etc/app /etc/app/a.ini /etc/app/b /home/app /home/app/.profile /srv/lib/lib.py /etc"
    assert run(image, "sh", "-c", line).splitlines() == [
        "750 app:team /etc/app",
        "640 app:team /etc/app/a.ini",
        "750 app:team /etc/app/b",
        "755 app:app /home/app",
        "644 app:app /home/app/.profile",
        "644 app:app /srv/lib/lib.py",
        "755 root:root /etc",
    ]
    assert run(image, "sh", "-c", "cat /etc/app/b/c.ini; test ! -e /etc/app/skip.tmp; pwd") == "c/home/app\n"
    # The Python of the channel tells what it was asked to run.
    assert run(image, "demoapp", "x") == "python of /opt/conda runs /opt/conda/bin/demoapp x\n"
    attributes = engine.client.images.get(image).attrs["Config"]
    assert attributes["User"] == "app"
    assert attributes["ExposedPorts"].keys() == {"8080/tcp", "53/udp"}
    assert attributes["Volumes"] == {"/var/lib/app": {}}
    assert attributes["StopSignal"] == "SIGINT"
    assert attributes["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 10**9, "Retries": 2}
    assert attributes["Shell"] == ["/bin/sh", "-ec"]


def test_the_engine_checks_its_health(tmp_path: Path, base_image: BaseImage, channel: Path, engine: Engine) -> None:
    settings = ContainerSettings(
        healthcheck=Healthcheck(test=("CMD-SHELL", "test -e /ready"), interval=10**8, retries=1), cmd=("sleep", "60")
    )
    build(
        request(
            tmp_path,
            f"docker://{base_image.oci}",
            channel,
            destinations=Destinations(names=(Reference.parse("healthy:1"),), load=True),
            files=(FilesLayer("ready", (InlineFile(path="/ready", content=b""),)),),
            declaration=None,
            container=settings,
        )
    )
    container = engine.client.containers.create(
        "healthy:1", ["sh", "-c", "read x"], network_mode="none", stdin_open=True
    )
    try:
        container.start()
        for _ in range(100):
            container.reload()
            if container.attrs["State"]["Health"]["Status"] == "healthy":
                break
            container.exec_run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do true; done"])
        assert container.attrs["State"]["Health"]["Status"] == "healthy"
    finally:
        container.remove(force=True)


def test_the_same_image_from_every_checkout(tmp_path: Path, channel: Path) -> None:
    digests = []
    for name, umask in (("a", 0o022), ("b", 0o002), ("c", 0o077)):
        root = write_sources(tmp_path / name / "sources", umask=umask)
        for number, path in enumerate(sorted(root.rglob("*"))):
            os.utime(path, (number, 10**9 - number))
        (tmp_path / name).mkdir(exist_ok=True)
        digests.append(build(request(tmp_path / name, None, channel, force=True, **application(root))).image.digest)
    assert len(set(digests)) == 1


def test_a_change_of_the_source_changes_its_layer_alone(tmp_path: Path, channel: Path) -> None:
    root = write_sources(tmp_path / "sources")
    before = build(request(tmp_path, None, channel, force=True, **application(root))).image
    (root / "lib" / "lib.py").write_text("x = 2\n")
    after = build(request(tmp_path, None, channel, force=True, **application(root))).image
    changed = [index for index, pair in enumerate(zip(before.layers, after.layers, strict=True)) if len(set(pair)) > 1]
    titles = [entry["created_by"] for entry in after.config.history]
    assert [titles[index] for index in changed] == [
        "docker-envs build: source",
        "docker-envs build: record of the environment",
    ]


def test_without_an_environment_there_are_only_files(tmp_path: Path, channel: Path) -> None:
    files = (FilesLayer("a file", (InlineFile(path="/a", content=b"a", owner="app"),)),)
    users = (User(name="app", uid=5),)
    wanted = request(tmp_path, None, channel, declaration=None, files=files, users=users, epoch=9)
    image = build(wanted).image
    validate_image(image)
    assert flattened(image).keys() == {"etc/passwd", "etc/group", "a"}
    assert "Env" not in image.config.container
    assert [entry["created_by"] for entry in image.config.history] == [
        "docker-envs build: users and groups",
        "docker-envs build: a file",
    ]


def test_application_layers_count(tmp_path: Path, channel: Path) -> None:
    root = write_sources(tmp_path / "sources")
    image = build(request(tmp_path, None, channel, force=True, max_layers=6, **application(root))).image
    # Packages, accounts, three of the application, and the record.
    assert len(image.layers) == 6
    with pytest.raises(InvalidInputError):
        build(request(tmp_path, None, channel, force=True, max_layers=5, **application(root)))


#: Lines of a `.dockerignore`; none with wildcards in exceptions below a directory that is left out, which the older
#: builder of the engine passes over, and BuildKit does not.
IGNORES = {
    "names": "a.py\nsub\n/other/x.md\nnone\n",
    "comments": "# a.py\n#a.py\n   \n  a.md  \n",
    "stars": "*.py\n*/*.md\nsub/d*\n",
    "any-depth": "**/*.py\n**/deep\n",
    "in-the-middle": "sub/**/c.*\noth**\n",
    "ends": "**.md\nsub/**\n",
    "exceptions": "*\n!sub\nsub/deep\n!sub/deep/c.py\n",
    "exceptions-below": "sub/*\n!sub/*.md\n",
    "last-match": "*.md\n!README*.md\nREADME-secret.md\n",
    "order": "!a.py\n*.py\n! a.py \n",
    "directory-exception": "sub\n!sub/deep/**\nsub/deep/c.md\n",
    "sets": "[ab].py\n[^R]*.md\nsub/[a-b].?y\n",
    "escapes": "\\$y\nsub/\\*\nsp ace.txt\n",
    "dots": "./a.py\nsub/../other\nsub//deep/\n../a.md\n",
    "hidden": ".*\n",
    "regex": "x+(1).txt\na.m.\n$y\n",
}
FILES = dict.fromkeys(
    (
        *("a.py", "b.py", "a.md", "amd", "README.md", "README-secret.md", "sp ace.txt", "x+(1).txt", "$y", ".hidden/f"),
        *("sub/a.py", "sub/b.py", "sub/a.md", "sub/*", "sub/deep/c.py", "sub/deep/c.md", "sub/deep/deep/d.py"),
        *("other/x.md", "other/y.txt", "ready.md"),
    ),
    "",
)


@pytest.mark.parametrize("case", IGNORES)
def test_docker_leaves_out_the_same(case: str, tmp_path: Path, engine: Engine) -> None:
    require_programs("docker")
    context = write(tmp_path / "context", {**FILES, ".dockerignore": IGNORES[case]})
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /app/\n")
    command = [
        "docker",
        "--host",
        engine.host,
        "build",
        "--quiet",
        "--file",
        str(tmp_path / "Dockerfile"),
        str(context),
    ]
    # The builder of the engine itself needs no plug-in, nor an image for the build.
    variables = {**os.environ, "DOCKER_BUILDKIT": "0"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "image.tar").open("wb") as out:
        for chunk in engine.client.images.get(done.stdout.strip()).save():
            out.write(chunk)
    ours = iter_host_files(HostFiles(context=context, source=".", path="/app"), "app", owner=(0, 0), mtime=0)
    assert {entry.path for entry in ours} == saved_paths(tmp_path / "image.tar")


def saved_paths(archive: Path) -> set[str]:
    """All paths of the one layer of a saved image."""
    with tarfile.open(archive) as saved:
        manifest = saved.extractfile("manifest.json")
        assert manifest is not None
        (layer,) = json.load(manifest)[0]["Layers"]
        with tarfile.open(fileobj=saved.extractfile(layer)) as tar:
            return {name.rstrip("/") for name in tar.getnames()}

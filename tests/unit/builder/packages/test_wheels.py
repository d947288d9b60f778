"""Distributions from an index become layers of an image, beside conda's packages."""

from __future__ import annotations

import json
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.records.record import read_records
from tests.builds import ROOT, docker_envs, read_image_file
from tests.images import flattened
from tests.packages.build import PackageSpec, text, write_channel
from tests.packages.distribution import sha256_of, write_distribution
from tests.simulators.channel import ChannelSimulator
from tests.simulators.package_index import PASSWORD, USER, PackageIndexSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.builds import Outcome

SITE = "opt/conda/lib/python3.11/site-packages"
#: What pip reads on the building host takes no part.
VARIABLES = {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "", "PIP_EXTRA_INDEX_URL": ""}
SCRIPT = b"#!python\nprint('ran')\n"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    web = {
        "web/__init__.py": b"NAME = 'web'\n",
        "web/tests/test_web.py": b"\n",
        "{data}/scripts/web-run": SCRIPT,
        "{info}/entry_points.txt": b"[console_scripts]\nweb = web:main\n",
        "{info}/licenses/LICENSE": b"free\n",
    }
    write_distribution(folder, "web", "2.0", requires=["helper>=1", "known"], files=web)
    write_distribution(folder, "helper", "1.0")
    for version in ("1.0", "2.0"):
        write_distribution(folder, "known", version)
    write_distribution(folder, "clashing", "1.0", files={"known.py": b"\n"})
    write_distribution(folder, "first", "1.0", files={"same.py": b"1\n", "one.py": b"\n"})
    write_distribution(folder, "second", "1.0", files={"same.py": b"2\n"})
    return folder


@pytest.fixture(scope="module")
def index(wheels: Path) -> Iterator[PackageIndexSimulator]:
    with (simulator := PackageIndexSimulator(wheels, private=True)).running():
        yield simulator


@pytest.fixture(scope="module")
def python_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel with a Python, another implementation of it, and a package that brings a distribution."""
    metadata = text("Metadata-Version: 2.1\nName: known\nVersion: 1.0\n")
    files = {"site-packages/known.py": text("\n"), "site-packages/known-1.0.dist-info/METADATA": metadata}
    return write_channel(
        tmp_path_factory.mktemp("channels") / "channel",
        [
            PackageSpec("python", "3.11.4", build="fake_0_cpython", files={"bin/python3.11": text("", 0o755)}),
            PackageSpec("python", "3.10.1", build="fake_0_pypy", files={"bin/python3.10": text("", 0o755)}),
            PackageSpec("hello-there"),
            PackageSpec("known-conda", files=files, noarch="python", depends=("python",)),
        ],
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def declare(
    project: Path, channel: Path, index: PackageIndexSimulator, *lines: str, conda: str = "python=3.11"
) -> Path:
    path = project / "environment.yml"
    pip = [f"--index-url {index.authorized_url}", *lines]
    document = {"channels": [channel.as_uri()], "dependencies": [*conda.split(), {"pip": pip}]}
    path.write_text(json.dumps(document))
    return path


def run(command: str, project: Path, *arguments: str | Path) -> Outcome:
    options = ("--base", "scratch", "--platform", "linux/amd64")
    return docker_envs(command, *options, *arguments, cache=project.parent / "cache", variables=VARIABLES)


def build(project: Path, *arguments: str | Path) -> Outcome:
    return run("build", project, "--json", "-o", project / "image.tar", *arguments)


def test_a_layer_holds_what_its_wheel_installs(
    project: Path, python_channel: Path, index: PackageIndexSimulator, wheels: Path
) -> None:
    path = declare(project, python_channel, index, "web", conda="python=3.11 known-conda")
    built = build(project, "-f", path)
    names = {"".join(layer["packages"]): layer for layer in built.document["layers"] if layer["packages"]}
    # What a conda package brings is not installed again.
    assert names.keys() == {"python-3.11.4-fake_0_cpython", "known-conda-1.0-0", "web-2.0", "helper-1.0"}
    with zipfile.ZipFile(wheels / "web-2.0-py3-none-any.whl") as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if not name.startswith("web-2.0.data/")}
    found = files_of(project, names["web-2.0"]["digest"])
    made = {f"{SITE}/web-2.0.dist-info/{name}" for name in ("INSTALLER", "REQUESTED", "RECORD")}
    scripts = {"opt/conda/bin/web", "opt/conda/bin/web-run"}
    assert found.keys() == {f"{SITE}/{name}" for name in packed} | made | scripts
    assert all(found[f"{SITE}/{name}"] == content for name, content in packed.items() if not name.endswith("/RECORD"))
    assert found["opt/conda/bin/web-run"] == b"#!/opt/conda/bin/python3.11\nprint('ran')\n"
    assert PASSWORD not in built.stderr + built.stdout


def files_of(project: Path, digest: str) -> dict[str, bytes]:
    """The files in one layer of the image that was built."""
    image = read_image_file(project / "image.tar")
    (layer,) = (each for each in image.layers if each.digest == digest)
    with layer.open_tar() as stream:
        return {entry.path: entry.read() for entry in iter_entries(stream, source="layer") if entry.kind is Kind.FILE}


def test_the_record_names_wheels_and_what_they_need(
    project: Path, python_channel: Path, index: PackageIndexSimulator, wheels: Path
) -> None:
    path = declare(project, python_channel, index, "web", conda="python=3.11 known-conda")
    build(project, "-f", path)
    (found,) = read_records(read_image_file(project / "image.tar"))
    packages = found.record.by_name
    assert packages.keys() == {"python", "known-conda", "pypi:web", "pypi:helper"}
    web = packages["pypi:web"]
    assert (web.kind, web.name, web.version, web.requested) == ("pypi", "web", "2.0", True)
    assert web.sha256 == sha256_of(wheels / "web-2.0-py3-none-any.whl")
    assert web.url == f"{index.url}/files/web-2.0-py3-none-any.whl"
    assert web.depends == ("known-conda", "pypi:helper", "python")
    assert ("pypi:web",) in [layer.packages for layer in found.record.layers]
    shown = docker_envs("show", f"docker-archive:{project}/image.tar", "--json", cache=project.parent / "cache")
    kinds = {package["name"]: (package["kind"], package["place"]) for package in shown.document["packages"]}
    assert kinds["web"] == ("pypi", f"/{SITE}")


def test_building_again_gives_the_same_and_verifies(
    project: Path, python_channel: Path, index: PackageIndexSimulator
) -> None:
    path = declare(project, python_channel, index, "web", "first", "second")
    first = build(project, "-f", path, "--filter", "tests", "--verify")
    assert first.document["filters"] == {"tests": {"files": 1, "bytes": 1}}
    again = build(project, "-f", path, "--filter", "tests", "--cache-dir", project / "another")
    assert again.digest == first.digest
    planned = run("plan", project, "-f", path, "--filter", "tests", "--json")
    assert {layer["origin"] for layer in planned.document["layers"]} == {"store"}
    assert len(planned.document["layers"]) == len(first.document["layers"]) - 1
    # What is known of wheels is enough where their layers are there.
    kept = sorted((project.parent / "cache/packages").glob("*/*.whl"))
    assert kept
    for wheel in kept:
        wheel.unlink()
    assert build(project, "-f", path, "--filter", "tests").digest == first.digest
    assert not any(wheel.exists() for wheel in kept)


def test_of_wheels_with_one_path_the_last_has_it(
    project: Path, python_channel: Path, index: PackageIndexSimulator
) -> None:
    built = build(project, "-f", declare(project, python_channel, index, "second", "first"))
    assert built.document["clobbers"] == [{"path": f"{SITE}/same.py", "winner": "second", "losers": ["first"]}]
    (first,) = (layer for layer in built.document["layers"] if layer["packages"] == ["first-1.0"])
    files = files_of(project, first["digest"])
    assert f"{SITE}/same.py" not in files
    assert b"same.py" not in files[f"{SITE}/first-1.0.dist-info/RECORD"]
    assert flattened(read_image_file(project / "image.tar"))[f"{SITE}/same.py"] == b"2\n"


@pytest.mark.parametrize(
    ("conda", "line", "status", "message"),
    [
        (
            "python=3.11 known-conda",
            "clashing",
            6,
            f"`clashing-1.0` and `known-conda-1.0-0` both have `/{SITE}/known.py`",
        ),
        ("hello-there", "web", 6, "distributions from PyPI are declared, but the environment has no Python"),
        ("python=3.10", "web", 6, "`python-3.10.1-fake_0_pypy` is no CPython"),
        ("python=3.11", "no-such-thing", 3, "no-such-thing was not found in the package registry"),
        ("python=3.11 known-conda", "known==2", 3, "`known-conda-1.0-0` has `known` 1.0, but "),
    ],
    ids=["clash", "no Python", "PyPy", "unknown", "installed in another version"],
)
def test_what_does_not_fit_is_named(
    project: Path, python_channel: Path, index: PackageIndexSimulator, conda: str, line: str, status: int, message: str
) -> None:
    done = build(project, "-f", declare(project, python_channel, index, line, conda=conda))
    assert done.status == status, done.stderr
    assert message in done.stderr
    assert PASSWORD not in done.stderr
    assert not (project / "image.tar").exists()


def test_a_wheel_that_is_not_what_the_index_says(
    project: Path, python_channel: Path, wheels: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tampered"
    wheel = write_distribution(folder, "helper", "1.0")
    index = PackageIndexSimulator(folder)
    with index.running():
        path = project / "requirements.txt"
        digest = sha256_of(wheel)
        path.write_text(f"helper @ {index.url}/files/{wheel.name}#sha256={'0' * 64}\n")
        arguments = ("-f", path, "python=3.11", "-c", python_channel.as_uri())
        done = build(project, *arguments)
        assert done.status != 0
        assert not (project / "image.tar").exists()
        path.write_text(f"helper @ {index.url}/files/{wheel.name}#sha256={digest}\n")
        built = build(project, *arguments)
    (layer,) = (layer for layer in built.document["layers"] if layer["packages"] == ["helper-1.0"])
    direct = files_of(project, layer["digest"])[f"{SITE}/helper-1.0.dist-info/direct_url.json"]
    assert json.loads(direct)["archive_info"] == {"hashes": {"sha256": digest}}


def test_projects_declare_them_inline(project: Path, python_channel: Path, index: PackageIndexSimulator) -> None:
    dependencies = ["python=3.11", {"pip": [f"--index-url {index.authorized_url}", "helper"]}]
    environment = {"channels": [python_channel.as_uri()], "dependencies": dependencies}
    (project / "docker-env.yaml").write_text(json.dumps({"base": "scratch", "environment": environment}))
    built = docker_envs(
        *("build", "--platform", "linux/amd64", "--json", "-o", project / "image.tar"),
        cache=project.parent / "cache",
        cwd=project,
        variables=VARIABLES,
    )
    assert ["helper-1.0"] in [layer["packages"] for layer in built.document["layers"]]


def test_a_project_of_this_host_is_a_layer_of_its_own(
    project: Path, python_channel: Path, index: PackageIndexSimulator
) -> None:
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "own"\nversion = "3.0"\ndependencies = ["helper"]\n'
    )
    (project / "backend.py").write_text(BACKEND)
    built = build(project, "-f", declare(project, python_channel, index, "-e ."))
    assert ["helper-1.0"] in [layer["packages"] for layer in built.document["layers"]]
    assert f"{SITE}/own.py" in flattened(read_image_file(project / "image.tar"))


#: A build backend that needs nothing.
BACKEND = """
import sys
from pathlib import Path

sys.path.append(ROOT)

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    from tests.packages.distribution import write_distribution

    return write_distribution(Path(wheel_directory), "own", "3.0", requires=["helper"]).name
""".replace("ROOT", repr(str(ROOT)))


def test_bytecode_of_wheels(project: Path, index: PackageIndexSimulator, tmp_path: Path) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    files = {f"bin/python{version}": text("", 0o755)}
    spec = PackageSpec("python", f"{version}.1", build="fake_0_cpython", files=files)
    channel = write_channel(tmp_path / "another", [spec])
    path = declare(project, channel, index, "web", conda=f"python={version}")
    plain = build(project, "-f", path)
    compiled = build(project, "-f", path, "--compile", "always", "--verify")
    digests = [{layer["packages"][0]: layer["digest"] for layer in each.package_layers} for each in (plain, compiled)]
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == {
        "web-2.0",
        "helper-1.0",
        "known-2.0",
    }
    image = read_image_file(project / "image.tar")
    module = f"opt/conda/lib/python{version}/site-packages/web/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    files_of_image = flattened(image)
    assert files_of_image[module][4:8] == b"\x01\0\0\0"
    assert b"__pycache__" not in files_of_image[f"opt/conda/lib/python{version}/site-packages/web-2.0.dist-info/RECORD"]
    (found,) = read_records(image)
    assert found.record.settings.compile == "always"


@pytest.mark.parametrize("where", ["named index", "netrc", "index of uv"])
def test_credentials_of_an_index_are_for_its_wheels(
    project: Path, python_channel: Path, index: PackageIndexSimulator, tmp_path: Path, where: str
) -> None:
    variables = dict(VARIABLES)
    if where == "netrc":
        variables["NETRC"] = str(tmp_path / "own.netrc")
        (tmp_path / "own.netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
        variables["UV_DEFAULT_INDEX"] = index.index_url
    elif where == "named index":
        variables |= {"UV_DEFAULT_INDEX": f"mine={index.index_url}"}
        variables |= {"UV_INDEX_MINE_USERNAME": USER, "UV_INDEX_MINE_PASSWORD": PASSWORD}
    else:
        variables["UV_DEFAULT_INDEX"] = index.authorized_url
    path = project / "requirements.txt"
    path.write_text("helper\n")
    built = docker_envs(
        *("build", "--base", "scratch", "--platform", "linux/amd64", "--json", "-o", project / "image.tar"),
        *("-f", path, "python=3.11", "-c", python_channel.as_uri()),
        cache=tmp_path / "cache",
        variables=variables,
    )
    assert ["helper-1.0"] in [layer["packages"] for layer in built.package_layers]
    assert PASSWORD not in built.stdout + built.stderr
    assert PASSWORD.encode() not in b"".join(flattened(read_image_file(project / "image.tar")).values())


PROJECT = """\
[project]
name = "own"
version = "1"
dependencies = ["helper"]
[project.optional-dependencies]
web = ["web"]
[dependency-groups]
test = ["first"]
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"helper-1.0"}),
        (("--extra", "web"), {"helper-1.0", "web-2.0", "known-2.0"}),
        (("--dependency-group", "test", "--extra", "web"), {"helper-1.0", "web-2.0", "known-2.0", "first-1.0"}),
    ],
    ids=["neither", "extra", "both"],
)
def test_extras_and_groups_of_a_project(
    project: Path, python_channel: Path, index: PackageIndexSimulator, options: tuple[str, ...], expected: set[str]
) -> None:
    (project / "pyproject.toml").write_text(PROJECT)
    planned = docker_envs(
        *("plan", "--base", "scratch", "--platform", "linux/amd64", "--json", *options),
        *("-f", project / "pyproject.toml", "python=3.11", "-c", python_channel.as_uri()),
        cache=project.parent / "cache",
        variables={**VARIABLES, "UV_DEFAULT_INDEX": index.authorized_url},
    )
    found = {name for layer in planned.document["layers"] for name in layer["packages"]}
    assert found == {"python-3.11.4-fake_0_cpython", *expected}


def test_a_project_s_file_names_extras_and_groups(
    project: Path, python_channel: Path, index: PackageIndexSimulator
) -> None:
    (project / "pyproject.toml").write_text(PROJECT)
    conda = {"channels": [python_channel.as_uri()], "dependencies": ["python=3.11"]}
    environment = [conda, {"file": "pyproject.toml", "extras": ["web"], "groups": ["test"]}]
    (project / "docker-env.yaml").write_text(json.dumps({"base": "scratch", "environment": environment}))
    planned = docker_envs(
        *("plan", "--platform", "linux/amd64", "--json"),
        cache=project.parent / "cache",
        cwd=project,
        variables={**VARIABLES, "UV_DEFAULT_INDEX": index.authorized_url},
    )
    found = {name for layer in planned.document["layers"] for name in layer["packages"]}
    assert {"web-2.0", "first-1.0"} <= found


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("requirements.txt", ("--extra", "web"), "choose of what a project declares, and none is named"),
        ("pyproject.toml", ("--extra", "wep"), "has no extra `wep`"),
        ("pyproject.toml", ("--dependency-group", "web"), "has no dependency group `web`"),
    ],
    ids=["no project", "unknown extra", "unknown group"],
)
def test_extras_that_are_none(project: Path, name: str, options: tuple[str, ...], message: str) -> None:
    (project / name).write_text(PROJECT if name.endswith(".toml") else "helper\n")
    done = docker_envs(
        "plan", "--base", "scratch", "-f", project / name, *options, cache=project.parent / "cache", variables=VARIABLES
    )
    assert done.status == 2
    assert message in done.stderr


@pytest.mark.parametrize("kind", ["environment.yml", "docker-env.yaml"])
def test_what_an_image_says_of_itself_builds_it_again(
    project: Path, python_channel: Path, index: PackageIndexSimulator, kind: str
) -> None:
    """To the digest, where the declaration names every distribution itself."""
    simulator = ChannelSimulator(python_channel)
    again = project / "again" / kind
    again.parent.mkdir()
    variables = {**VARIABLES, "UV_DEFAULT_INDEX": index.authorized_url}
    with simulator.running():
        path = project / "environment.yml"
        pip = ["web", "helper", "known"]
        path.write_text(json.dumps({"channels": [simulator.channel], "dependencies": ["python=3.11", {"pip": pip}]}))

        def run(command: str, *arguments: str | Path) -> Outcome:
            done = docker_envs(command, *arguments, cache=project / "cache", variables=variables)
            assert done.status == 0, done.stderr
            return done

        options = ("--base", "scratch", "--platform", "linux/amd64", "--quiet")
        digest = run("build", *options, "--oci", project / "first", "-f", path).stdout
        run("env", f"oci:{project}/first", "--format", kind, "-o", again)
        assert PASSWORD not in again.read_text()
        assert run("build", *options, "--oci", project / "second", "-f", again).stdout == digest

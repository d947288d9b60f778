"""Distributions for the Python of a base: where they go, what is read to know that, and what the image says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.reader import iter_entries
from docker_envs.builder.application.contents import FilesLayer, InlineFile, ProjectWheel
from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.packages.pythons import WheelPlace, find_place, official_python, recorded_place
from docker_envs.builder.packages.system_contents import SystemContents
from docker_envs.builder.repeated import RepeatedBuild
from docker_envs.builder.request import BuildRequest, PythonLayout
from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment
from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration, PypiRequirement
from docker_envs.errors import BuildError, FormatError, InvalidInputError
from docker_envs.images.location import parse_location
from docker_envs.oci import edit
from docker_envs.oci.layer import Layer
from docker_envs.records.record import Record, RecordedPython, make_record, read_records
from docker_envs.report import SILENT
from tests.builds import docker_envs, read_image_file
from tests.debian import layer_of
from tests.images import AMD64, archive, flattened, make_image, named
from tests.packages.distribution import write_distribution
from tests.packages.wheel import write_project
from tests.simulators.package_index import PackageIndexSimulator
from tests.simulators.registry import RegistrySimulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from docker_envs.oci.image import Image
    from tests.builds import Outcome

VARIABLES = {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "", "PIP_EXTRA_INDEX_URL": ""}
OFFICIAL = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/bin", "PYTHON_VERSION": "3.12.7"}
SITE = "usr/local/lib/python3.12/site-packages"
OFFICIAL_FILES = {
    "usr/local/bin/python3": "python3.12",
    "usr/local/bin/python3.12": "",
    "usr/local/bin/pip": "",
    f"{SITE}/pip/__init__.py": "",
    f"{SITE}/pip-24.0.dist-info/METADATA": "",
    "usr/local/include/python3.12/patchlevel.h": '#define PY_VERSION      "3.12.7"\n',
}
STATUS = (
    "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9+deb12u9\n\n"
    "Package: python3.11\nStatus: install ok installed\nMulti-Arch: allowed\nVersion: 3.11.2-6+deb12u4\n\n"
    "Package: python3.11-minimal\nVersion: 3.11.9-1\n"
)
DEBIAN_FILES = {
    "usr/bin/python3": "python3.11",
    "usr/bin/python3.11": "",
    "usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO": "",
    "usr/lib/python3.11/EXTERNALLY-MANAGED": "",
    "var/lib/dpkg/status": STATUS,
}
ALPINE_FILES = {
    "usr/bin/python3": "python3.12",
    "usr/bin/python3.12": "",
    "lib/apk/db/installed": "P:musl\nV:1.2.5-r0\n\nP:python3\nV:3.12.8-r1\n",
    "usr/lib/python3.12/EXTERNALLY-MANAGED": "",
}
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/bin:/bin"}


def entries_of(files: Mapping[str, str]) -> list[Entry]:
    """Files with these contents; programs called `python3` are links."""
    found = []
    for path, content in sorted(files.items(), key=lambda item: item[0].split("/")):
        if path.endswith("/python3"):
            found.append(Entry(path, Kind.SYMLINK, 0o777, 1, link=content))
        else:
            found.append(file_entry(path, content.encode(), mtime=1))
    return found


def base_image(files: Mapping[str, str], env: Mapping[str, str] = ENV) -> Image:
    image = make_image(layer_of(entries_of(files)))
    return edit.with_config(image, image.config.with_env(env))


def request(tmp_path: Path, **options: Any) -> BuildRequest:
    wanted = PypiDeclaration((PypiRequirement("web", "web", "here"),))
    fields: dict[str, Any] = {"declaration": None, "pypi": wanted, "platform": AMD64, **options}
    return BuildRequest(base=parse_location("example.org/base:1"), cache=tmp_path / "cache", **fields)


def place(
    tmp_path: Path, base: Image, system: SystemContents | None = None, cache: str = "cache", **options: Any
) -> WheelPlace:
    found = find_place(
        request(tmp_path, **options),
        CondaEnvironment(),
        base,
        cache=CacheDirectory(tmp_path / cache),
        reporter=SILENT,
        system=system,
    )
    assert found is not None
    return found


def summary(found: WheelPlace) -> tuple[str, str, str, bool, str]:
    target = found.target
    library = f"{target.libc} {target.libc_version}"
    return (
        f"/{found.installation.site_packages_path}",
        found.installation.interpreter,
        target.python,
        found.environment is not None,
        library,
    )


GLIBC, MUSL, UNKNOWN = "glibc (2, 36)", "musl (1, 2)", "glibc None"
VENV_11, VENV_12 = "/opt/venv/lib/python3.11/site-packages", "/opt/venv/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("files", "env", "options", "expected"),
    [
        (OFFICIAL_FILES, OFFICIAL, {}, (f"/{SITE}", "/usr/local/bin/python3.12", "3.12.7", False, UNKNOWN)),
        (
            OFFICIAL_FILES,
            OFFICIAL,
            {"prefix": "/srv/app"},
            ("/srv/app/lib/python3.12/site-packages", "/srv/app/bin/python3.12", "3.12.7", True, UNKNOWN),
        ),
        (
            OFFICIAL_FILES,
            OFFICIAL,
            {"python_layout": PythonLayout.VENV},
            (VENV_12, "/opt/venv/bin/python3.12", "3.12.7", True, UNKNOWN),
        ),
        # Without the variable, a header tells.
        (OFFICIAL_FILES, ENV, {}, (f"/{SITE}", "/usr/local/bin/python3.12", "3.12.7", False, UNKNOWN)),
        (DEBIAN_FILES, ENV, {}, (VENV_11, "/opt/venv/bin/python3.11", "3.11.2", True, GLIBC)),
        (
            DEBIAN_FILES,
            ENV,
            {"python_layout": PythonLayout.BASE},
            ("/usr/local/lib/python3.11/dist-packages", "/usr/bin/python3.11", "3.11.2", False, GLIBC),
        ),
        (ALPINE_FILES, ENV, {}, (VENV_12, "/opt/venv/bin/python3.12", "3.12.8", True, MUSL)),
        # Nothing says more than the name of the program.
        (
            {"usr/bin/python3.12": ""},
            ENV,
            {},
            ("/usr/lib/python3.12/site-packages", "/usr/bin/python3.12", "3.12", False, UNKNOWN),
        ),
    ],
    ids=["official", "prefix", "venv", "built", "Debian", "Debian's own", "Alpine", "no version"],
)
def test_where_distributions_go(
    tmp_path: Path,
    files: dict[str, str],
    env: dict[str, str],
    options: dict[str, Any],
    expected: tuple[str, str, str, bool, str],
) -> None:
    assert summary(place(tmp_path, base_image(files, env), **options)) == expected


def test_what_the_base_has_stays(tmp_path: Path) -> None:
    found = place(tmp_path, base_image(OFFICIAL_FILES, OFFICIAL))
    assert [(each.name, each.version, each.owner) for each in found.installed] == [
        ("pip", "24.0", "the base `example.org/base:1`")
    ]
    assert found.taken["usr/local/bin/pip"] == "the base `example.org/base:1`"
    debian = place(tmp_path, base_image(DEBIAN_FILES), python_layout=PythonLayout.BASE)
    assert [each.name for each in debian.installed] == ["six"]
    isolated = place(tmp_path, base_image(DEBIAN_FILES))
    assert (isolated.installed, isolated.taken) == ((), {})


def test_a_base_is_looked_through_once(tmp_path: Path) -> None:
    base = base_image(DEBIAN_FILES)
    first = place(tmp_path, base)

    def unreadable(*_: object) -> Any:
        raise AssertionError("the layer is read again")

    layers = tuple(Layer(each.descriptor, unreadable, diff_id=each.diff_id) for each in base.layers)
    closed = replace(base, layers=layers)
    assert closed.digest == base.digest
    assert place(tmp_path, closed) == first
    (kept,) = (tmp_path / "cache" / "metadata").iterdir()
    kept.write_bytes(b"x" * 100)
    with pytest.raises(AssertionError, match="read again"):
        place(tmp_path, closed)


def test_an_official_image_is_not_read_for_a_virtual_environment(tmp_path: Path) -> None:
    image = base_image({}, OFFICIAL)
    assert summary(place(tmp_path, image, python_layout=PythonLayout.VENV))[2] == "3.12.7"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("env", "found"),
    [
        (OFFICIAL, True),
        ({**OFFICIAL, "PATH": "/opt/conda/bin:/usr/local/bin"}, False),
        ({**OFFICIAL, "PYTHON_VERSION": "3.14.0rc2"}, True),
        ({**OFFICIAL, "PYTHON_VERSION": "3.12"}, False),
        ({**OFFICIAL, "PYTHON_VERSION": "2.7.18"}, False),
        ({"PATH": "/usr/local/bin"}, False),
        ({}, False),
    ],
    ids=["official", "other path", "candidate", "short", "old", "no version", "empty"],
)
def test_what_an_official_image_says(env: dict[str, str], found: bool) -> None:
    assert (official_python(env) is not None) is found


def test_the_python_of_packages_that_the_image_gets(tmp_path: Path) -> None:
    files = {path: content if path.endswith("/python3") else "" for path, content in DEBIAN_FILES.items()}
    system = SystemContents(files, {"python3.11": "3.11.2-6+deb12u4", "libc6": "2.36-9+deb12u9"})
    # Nothing of the base is read: the image cannot be.
    found = place(tmp_path, base_image({"etc/os-release": ""}), system)
    assert summary(found) == (VENV_11, "/opt/venv/bin/python3.11", "3.11.2", True, GLIBC)
    assert not (tmp_path / "cache").exists()
    direct = place(tmp_path, base_image({"usr/local/bin/x": ""}), system, python_layout=PythonLayout.BASE)
    assert [(each.name, each.owner) for each in direct.installed] == [("six", "a Debian package")]
    assert direct.taken["usr/local/bin/x"] == "the base `example.org/base:1`"


def test_packages_for_the_python_of_the_base(tmp_path: Path) -> None:
    added = SystemContents({"usr/lib/python3/dist-packages/yaml-6.0.dist-info/METADATA": ""})
    found = place(tmp_path, base_image(DEBIAN_FILES), added, python_layout=PythonLayout.BASE)
    assert [(each.name, each.owner) for each in found.installed] == [
        ("six", "the base `example.org/base:1`"),
        ("yaml", "a Debian package"),
    ]


@pytest.mark.parametrize(
    ("files", "env", "options", "error", "message"),
    [
        ({"etc/os-release": ""}, ENV, {}, BuildError, "the base `example.org/base:1` has none"),
        ({**DEBIAN_FILES, "opt/venv/pyvenv.cfg": ""}, ENV, {}, BuildError, "a virtual environment at `/opt/venv`"),
        (
            OFFICIAL_FILES,
            {**OFFICIAL, "VIRTUAL_ENV": "/opt/venv"},
            {"python_layout": PythonLayout.VENV},
            BuildError,
            "a virtual environment at `/opt/venv`",
        ),
        (
            OFFICIAL_FILES,
            OFFICIAL,
            {"python_layout": PythonLayout.BASE, "prefix": "/opt/x"},
            InvalidInputError,
            "not to `/opt/x`",
        ),
        (DEBIAN_FILES, ENV, {"prefix": "opt"}, InvalidInputError, "invalid prefix"),
    ],
    ids=["no Python", "there already", "there by its variable", "base and prefix", "prefix"],
)
def test_what_cannot_be(
    tmp_path: Path,
    files: dict[str, str],
    env: dict[str, str],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        place(tmp_path, base_image(files, env), **options)


def test_nothing_is_looked_for_when_nothing_is_wanted(tmp_path: Path) -> None:
    wanted = request(tmp_path, pypi=PypiDeclaration())
    cache = CacheDirectory(tmp_path / "cache")
    assert find_place(wanted, CondaEnvironment(), base_image(DEBIAN_FILES), cache=cache, reporter=SILENT) is None
    assert not cache.root.exists()


@pytest.mark.parametrize(
    "changes",
    [{"layout": "auto!"}, {"program": "bin/python"}, {"version": "3"}, {"site_packages": "../x"}],
    ids=["layout", "program", "version", "site-packages"],
)
def test_a_record_that_says_what_cannot_be(changes: dict[str, str]) -> None:
    fields = {
        "layout": "venv",
        "program": "/usr/bin/python3.11",
        "version": "3.11",
        "site_packages": "lib/x",
        **changes,
    }
    with pytest.raises(FormatError):
        recorded_place(record(RecordedPython(**fields)), CondaEnvironment(), make_image())


def record(python: RecordedPython) -> Record:
    return make_record(digest_format=1, platform="linux/amd64", prefix="/opt/venv", python=python)


# -- whole builds


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    write_distribution(folder, "web", "2.0", requires=["helper"], files={
        "web.py": b"\n", "{info}/entry_points.txt": b"[console_scripts]\nweb = web:main\n"})  # fmt: skip
    write_distribution(folder, "helper", "1.0")
    write_distribution(folder, "needy", "1.0", requires=["pip>=25"])
    write_distribution(folder, "pip", "25.0")
    write_distribution(folder, "clashing", "1.0", files={"{data}/scripts/pip": b"#!python\n"})
    return folder


@pytest.fixture(scope="module")
def index(wheels: Path) -> Iterator[PackageIndexSimulator]:
    with (simulator := PackageIndexSimulator(wheels)).running():
        yield simulator


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def write_base(project: Path, files: Mapping[str, str], env: Mapping[str, str] = ENV) -> str:
    path = project / "base.tar"
    path.write_bytes(archive(named(base_image(files, env), "example.org/python:1")))
    return f"docker-archive:{path}"


def build(
    project: Path, index: PackageIndexSimulator, base: str, *lines: str, options: tuple[str, ...] = ()
) -> Outcome:
    (project / "requirements.txt").write_text("\n".join([f"--index-url {index.index_url}", *lines]) + "\n")
    declared, output = project / "requirements.txt", project / "image.tar"
    return docker_envs(
        *("build", "--platform", "linux/amd64", "--base", base, "--json", *options),
        *("-f", declared, "-o", output),
        cache=project.parent / "cache",
        variables=VARIABLES,
    )


def test_a_virtual_environment_of_the_python_of_a_base(project: Path, index: PackageIndexSimulator) -> None:
    built = build(project, index, write_base(project, DEBIAN_FILES), "web", options=("--verify",))
    assert built.status == 0, built.stderr
    image = read_image_file(project / "image.tar")
    assert image.config.env["PATH"] == f"/opt/venv/bin:{ENV['PATH']}"
    assert image.config.env["VIRTUAL_ENV"] == "/opt/venv"
    assert "CONDA_PREFIX" not in image.config.env
    files = flattened(image)
    assert files["opt/venv/bin/web"].startswith(b"#!/opt/venv/bin/python3.11\n")
    assert b"home = /usr/bin\n" in files["opt/venv/pyvenv.cfg"]
    assert f"{VENV_11[1:]}/helper.py" in files
    links = {
        entry.path: entry.link
        for layer in image.layers
        for entry in iter_entries(layer.open_tar(), source="layer")
        if entry.kind is Kind.SYMLINK
    }
    assert links["opt/venv/bin/python"] == "/usr/bin/python3.11"
    (found,) = read_records(image)
    assert found.record.prefix == "/opt/venv"
    assert found.record.python == RecordedPython(
        layout="venv", program="/usr/bin/python3.11", version="3.11", site_packages="lib/python3.11/site-packages"
    )
    assert "virtual environment" in [layer.title for layer in found.record.layers]


def test_distributions_of_the_base_s_own_python(project: Path, index: PackageIndexSimulator) -> None:
    built = build(project, index, write_base(project, OFFICIAL_FILES, OFFICIAL), "web", "pip")
    assert built.status == 0, built.stderr
    assert sorted(layer["packages"] for layer in built.package_layers) == [["helper-1.0"], ["web-2.0"]]
    image = read_image_file(project / "image.tar")
    assert image.config.env["PATH"] == OFFICIAL["PATH"]
    assert "VIRTUAL_ENV" not in image.config.env
    files = flattened(image)
    assert files["usr/local/bin/web"].startswith(b"#!/usr/local/bin/python3.12\n")
    assert f"{SITE}/helper.py" in files
    assert "usr/local/share/docker-envs/environment.json" in files


@pytest.mark.parametrize("base", ["Debian", "official"])
def test_what_is_built_is_verified(project: Path, index: PackageIndexSimulator, base: str, tmp_path: Path) -> None:
    of_base = (DEBIAN_FILES, ENV) if base == "Debian" else (OFFICIAL_FILES, OFFICIAL)
    built = build(project, index, write_base(project, *of_base), "web")
    assert built.status == 0, built.stderr
    again = docker_envs("verify", f"docker-archive:{project / 'image.tar'}", cache=tmp_path / "other")
    assert again.status == 0, again.stderr
    assert again.stdout == f"ok: {3 if base == 'Debian' else 2} layers made again, to the bit\n"


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("needy", 3, "has `pip` 24.0, but"),
        ("clashing", 6, "`clashing-1.0` and the base `docker-archive:"),
    ],
    ids=["version", "file"],
)
def test_what_does_not_fit_to_the_base(
    project: Path, index: PackageIndexSimulator, line: str, status: int, message: str
) -> None:
    base = write_base(project, OFFICIAL_FILES, OFFICIAL)
    done = build(project, index, base, line)
    assert done.status == status, done.stderr
    assert message in done.stderr
    assert "--python-layout venv" in done.stderr
    assert build(project, index, base, line, options=("--python-layout", "venv")).status == 0


def test_projects_go_where_distributions_go(project: Path, tmp_path: Path) -> None:
    write_project(project / "app")
    base = write_base(project, DEBIAN_FILES)
    declared = {"base": base, "python_layout": "venv", "prefix": "/srv/env", "files": [{"project": "app"}]}
    (project / "docker-env.yaml").write_text(json.dumps(declared))
    done = docker_envs(
        "build", "--platform", "linux/amd64", "-o", project / "image.tar", cache=tmp_path / "cache", cwd=project
    )
    assert done.status == 0, done.stderr
    image = read_image_file(project / "image.tar")
    files = flattened(image)
    assert files["srv/env/bin/demoapp"].startswith(b"#!/srv/env/bin/python3.11\n")
    assert "srv/env/pyvenv.cfg" in files
    assert image.config.env["VIRTUAL_ENV"] == "/srv/env"


def test_no_layer_of_an_official_base_moves(project: Path, index: PackageIndexSimulator, tmp_path: Path) -> None:
    """With a virtual environment; without, layers are read once and kept."""
    with (registry := RegistrySimulator()).running():
        name = f"{registry.address}/python:1"
        copied = docker_envs("copy", write_base(project, OFFICIAL_FILES, OFFICIAL), name, cache=tmp_path / "copy")
        assert copied.status == 0, copied.stderr
        (project / "requirements.txt").write_text(f"--index-url {index.index_url}\nweb\n")

        def fetched(*options: str) -> int:
            del registry.log[:]
            done = docker_envs(
                *("build", "--platform", "linux/amd64", "-b", name, "-f", project / "requirements.txt"),
                *("--push", f"{registry.address}/app:1", *options),
                cache=tmp_path / "cache",
                variables=VARIABLES,
            )
            assert done.status == 0, done.stderr
            config = 1
            return (
                len([line for line in registry.asked if line.startswith("GET") and "/python/blobs/" in line]) - config
            )

        assert fetched("--python-layout", "venv") == 0
        assert fetched() == 1
        assert fetched() == 0


def test_a_file_that_becomes_a_project_needs_a_python(project: Path, tmp_path: Path) -> None:
    """While an image is built again and again, as `watch` does."""
    write_project(project / "app")
    base = parse_location(write_base(project, DEBIAN_FILES))
    files = FilesLayer("files", (InlineFile(path="/etc/x", content=b""),))
    wanted = BuildRequest(base=base, declaration=None, platform=AMD64, cache=tmp_path / "cache", files=(files,))
    repeated = RepeatedBuild(SILENT)
    assert "opt/venv/pyvenv.cfg" not in flattened(repeated.build(wanted))
    changed = replace(wanted, files=(FilesLayer("project", (ProjectWheel(project / "app"),)),))
    assert "opt/venv/bin/demoapp" in flattened(repeated.build(changed))

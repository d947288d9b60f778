"""Systems of real Debian packages against mmdebstrap, file by file, and in a real engine."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.environments.debian.scripts.findings import Reason
from docker_envs.environments.debian.system import library_cache
from docker_envs.oci import edit
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.records.databases import read_database
from docker_envs.transports.files.docker_archive import write_archive
from docker_envs.validate import validate_image
from tests.debian import (
    MIRROR,
    Bootstrapped,
    Packages,
    bootstrap,
    shared_bootstrap,
    text_file,
    tree_of_entries,
    tree_of_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.debian.system.assembly import DebianSystem
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from tests.debian import Node
    from tests.services import Engine

#: Every difference that is right: `-` is a path that only mmdebstrap has, `*` one that differs.
ALLOWED = {
    "- *__pycache__*": "bytecode that no package ships",
    "- dev/*": "devices are the engine's",
    "- etc/apt/sources.list*": "where packages came from is for the caller to say",
    "- etc/apt/apt.conf.d/99mmdebstrap": "mmdebstrap's own",
    "- etc/fstab": "of the machine",
    "- etc/hostname": "the engine's",
    "- etc/resolv.conf": "the engine's",
    "- etc/.pwd.lock": "a lock",
    "- etc/group-": "a backup",
    "- etc/passwd-": "a backup",
    "- etc/rc?.d/*": "services start nowhere",
    "- etc/systemd/system/*": "services start nowhere",
    "- lib32": "mmdebstrap's hook makes it, though nothing is in it",
    "- libx32": "mmdebstrap's hook makes it, though nothing is in it",
    "- usr/lib32": "mmdebstrap's hook makes it, though nothing is in it",
    "- usr/libx32": "mmdebstrap's hook makes it, though nothing is in it",
    "- var/cache/apt/*": "what apt fetched",
    "- var/cache/debconf/*": "questions and answers; nobody was asked",
    "- var/cache/ldconfig/*": "how ldconfig spares itself work",
    "- var/lib/apt/*": "what apt fetched and chose",
    "- var/lib/dpkg/*-old": "a backup",
    "- var/lib/dpkg/lock*": "a lock",
    "- var/lib/dpkg/triggers/Lock": "a lock",
    "- var/lib/systemd/*": "services start nowhere",
    "- var/log/*": "logs have clocks in them",
    "* etc/ld.so.cache": "compared by `ldconfig -p` below",
    "* etc/shadow": "no day on which passwords were changed, as it would be a clock's",
    "* var/cache/apt/archives/partial": "apt changes it when it runs",
    "* var/lib/dpkg/diversions": "the order of dpkg's hash table; compared without it below",
}
#: Differences that are right in a system of servers.
ALLOWED_OF_SERVERS = {
    "* etc/group": "numbers follow the order of configuration, in which apt is free; names are compared below",
    "* etc/gshadow": "as `etc/group`",
    "* etc/passwd": "as `etc/group`",
    "* run/lock": "mmdebstrap empties `/run`, and a machine makes it anew",
    "+ run/*": "mmdebstrap empties `/run`, and a machine makes it anew",
    "- etc/gshadow-": "a backup",
    "- etc/shadow-": "a backup",
    "- etc/machine-id": "each machine's own",
    "- etc/ssh/ssh_host_*": "each machine's own",
    "- etc/systemd/user/*": "services start nowhere",
    "- var/lib/ucf/*.[0-9]": "a backup",
    "* var/lib/dpkg/status": "blanks at the end of a description, and a file that an upgrade removes",
    "* var/lib/dpkg/triggers/File": "the order of configuration",
    "* var/lib/ucf/hashfile": "the order of configuration; lines are compared below",
    "* var/lib/ucf/registry": "the order of configuration; lines are compared below",
}
SERVERS = (
    "apache2", "fontconfig-config", "iproute2", "libcap2-bin", "locales", "mariadb-common", "nginx", "openssh-server",
    "php-cli", "postgresql-client",
)  # fmt: skip


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def bootstrapped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bootstrapped:
    return shared_bootstrap(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def packages(bootstrapped: Bootstrapped) -> Packages:
    return Packages(bootstrapped.archives)


@pytest.fixture(scope="module")
def system(packages: Packages) -> DebianSystem:
    return packages.assemble()


def differences(
    expected: Mapping[str, Node], actual: Mapping[str, Node], allowed: Mapping[str, str] = ALLOWED
) -> list[str]:
    found = [f"- {path}" for path in expected.keys() - actual.keys()]
    found += [f"+ {path}" for path in actual.keys() - expected.keys()]
    found += [f"* {path}" for path in expected.keys() & actual.keys() if expected[path] != actual[path]]
    return sorted(each for each in found if not any(fnmatchcase(each, f"[{row[0]}]{row[1:]}") for row in allowed))


def contents(system: DebianSystem, path: str) -> bytes:
    return next(entry.read() for entry in system.entries if entry.path == path)


def test_nothing_is_left_out(system: DebianSystem) -> None:
    assert [str(finding) for finding in system.findings] == []


def test_files_are_those_of_mmdebstrap(bootstrapped: Bootstrapped, packages: Packages, system: DebianSystem) -> None:
    actual = tree_of_entries(chain(packages.iter_entries(system), system.entries))
    assert differences(tree_of_folder(bootstrapped.root), actual) == []
    assert len(actual) > 5000


def test_diversions_are_those_of_dpkg(bootstrapped: Bootstrapped, system: DebianSystem) -> None:
    def triples(text: str) -> set[tuple[str, ...]]:
        lines = text.splitlines()
        return {tuple(lines[start : start + 3]) for start in range(0, len(lines), 3)}

    expected = (bootstrapped.root / "var/lib/dpkg/diversions").read_text()
    assert triples(contents(system, "var/lib/dpkg/diversions").decode()) == triples(expected)


def test_the_cache_of_libraries_is_that_of_ldconfig(
    bootstrapped: Bootstrapped, system: DebianSystem, tmp_path: Path
) -> None:
    """Links that are not named as their library names itself are in ours alone, where they lead to the same file."""
    (tmp_path / "cache").write_bytes(contents(system, library_cache.PLACE[1:]))
    expected, actual = (
        subprocess.run(["/sbin/ldconfig", "-p", "-C", path], check=True, capture_output=True, text=True).stdout
        for path in (bootstrapped.root / "etc/ld.so.cache", tmp_path / "cache")
    )
    listed = [line for line in actual.splitlines() if "=>" in line]
    assert {line for line in expected.splitlines() if "=>" in line} <= set(listed)
    assert [line for line in listed if line in expected] == [line for line in expected.splitlines() if "=>" in line]
    assert {line.split()[0] for line in listed if line not in expected} <= {"libbz2.so.1"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Bootstrapped:
    return bootstrap("trixie", tmp_path_factory.mktemp("servers") / "root", *SERVERS)


def test_servers_are_those_of_mmdebstrap(servers: Bootstrapped) -> None:
    """Scripts that enable modules, ask debconf, run in libraries of other packages and copy configuration files."""
    packages = Packages(servers.archives)
    system = packages.assemble()
    assert [str(finding) for finding in system.findings if not finding.is_harmless] == []
    assert {finding.reason for finding in system.findings} == {Reason.CACHE, Reason.MACHINE}
    actual = tree_of_entries(chain(packages.iter_entries(system), system.entries))
    assert differences(tree_of_folder(servers.root), actual, {**ALLOWED, **ALLOWED_OF_SERVERS}) == []
    for path in ("etc/passwd", "etc/group"):
        expected, made = (servers.root / path).read_text(), contents(system, path).decode()
        assert {line.split(":")[0] for line in made.splitlines()} == {
            line.split(":")[0] for line in expected.splitlines()
        }
    for path in ("var/lib/ucf/hashfile", "var/lib/ucf/registry"):
        expected, made = (servers.root / path).read_text(), contents(system, path).decode()
        assert sorted(made.splitlines()) == sorted(expected.splitlines())


def load(engine: Engine, image: Image, name: str, folder: Path) -> str:
    image = edit.with_config(image, image.config.with_env({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))
    validate_image(image)
    write_archive([NamedImage(image, (Reference.parse(name),))], folder / "image.tar")
    with (folder / "image.tar").open("rb") as file:
        engine.client.images.load(file)
    return name


def small_files(layer: Layer) -> Iterator[Entry]:
    with layer.open_tar() as stream:
        for entry in iter_entries(stream, source="test"):
            if entry.kind is Kind.FILE and entry.size < 1 << 20:
                yield entry


PYTHON = "import ssl, zoneinfo; print('hello', ssl.create_default_context().cert_store_stats()['x509_ca'] > 50)"


def test_an_image_without_a_shell_runs(packages: Packages, engine: Engine, tmp_path: Path) -> None:
    chosen = packages.needed_by(
        "python3", "ca-certificates", "base-files", "netbase", "tzdata", without=("debconf", "dpkg", "perl-base")
    )
    chosen.filters = ("docs", "locales")
    image = chosen.image()
    name = load(engine, image, "debian-python:1", tmp_path)
    assert engine.run(name, "python3", "-c", PYTHON) == "hello True\n"
    assert engine.run(name, "python3", "-c", "import os; print(os.listdir('/etc/ssl/certs')[0] != '')") == "True\n"
    found = [
        package.name
        for layer in image.layers
        for entry in small_files(layer)
        if entry.path.startswith("var/lib/dpkg/status.d/") and (database := read_database(entry))
        for package in database.packages
    ]
    assert sorted(found) == sorted(metadata.name for metadata in chosen.metadata)
    assert "dpkg" not in found


def test_dpkg_and_apt_go_on_with_an_image(
    bootstrapped: Bootstrapped, packages: Packages, engine: Engine, tmp_path: Path
) -> None:
    suite = bootstrapped.root.name.rpartition("-")[2]
    image = packages.image(text_file("etc/apt/sources.list", f"deb {MIRROR} {suite} main\n"))
    name = load(engine, image, f"debian-{suite}:1", tmp_path)
    listed = engine.run(name, "dpkg", "-l")
    assert sum(line.startswith("ii ") for line in listed.splitlines()) == len(packages.metadata)
    assert engine.run(name, "python3", "-c", PYTHON) == "hello True\n"
    # Nothing but what the engine mounts, and files that a configured system changes.
    assert engine.run(name, "dpkg", "-V") == ""
    assert engine.run(name, "dpkg", "--audit") == ""
    assert engine.run(name, "sh", "-c", "ldconfig && update-ca-certificates >/dev/null && echo fine") == "fine\n"
    assert "/usr/bin/mawk" in engine.run(name, "update-alternatives", "--query", "awk")
    assert engine.run(name, "sh", "-c", "apt-get check >/dev/null && echo consistent") == "consistent\n"
    script = (
        "apt-get update -qq && apt-get install -qq -y --no-install-recommends less >/dev/null 2>&1 && less --version"
    )
    container = engine.client.containers.run(name, ["sh", "-c", script], network_mode="host", detach=True)
    try:
        status = container.wait()["StatusCode"]
        logs = container.logs().decode()
    finally:
        container.remove(force=True)
    assert status == 0, logs
    assert logs.startswith("less "), logs

"""Pieces of configuration that scripts switch on, and the registry of configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.scripts.find_command import delete_found
from docker_envs.environments.debian.scripts.findings import Reason
from docker_envs.environments.debian.system.accounts import Accounts
from docker_envs.environments.debian.system.files import SystemFiles
from docker_envs.environments.debian.system.temporary_files import create_files
from tests.packages.build import Directory, text
from tests.unit.environments.debian.systems import package, script, shown, system

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.debian.system.assembly import DebianSystem
    from tests.packages.build import Node

FILES: dict[str, Node] = {
    "etc/apache2/mods-available/one.load": text("# Depends: two three\nLoadModule one\n"),
    "etc/apache2/mods-available/one.conf": text(""),
    "etc/apache2/mods-available/two.load": text("# Depends: one\n# Conflicts: other\n"),
    "etc/apache2/mods-available/three.load": text("LoadModule three\n"),
    "etc/apache2/mods-available/other.load": text("# Conflicts: three\n"),
    "etc/apache2/mods-available/alone.load": text("# Depends: nothing\n"),
    "etc/apache2/mods-available/cgi.load": text("LoadModule cgi\n"),
    "etc/apache2/conf-available/a.conf": text(""),
    "etc/apache2/sites-available/000-default.conf": text(""),
    "usr/lib/php/8.4/sapi/cli": text(""),
    "etc/php/8.4/cli/conf.d": Directory(),
    "etc/php/8.4/mods-available/early.ini": text("; priority=10\nextension=early\n"),
    "etc/php/8.4/mods-available/late.ini": text("extension=late\n"),
    "var/lib/ucf/cache": Directory(),
    "usr/share/demo/template": text("template\n"),
}


def made(folder: Path, text: str) -> DebianSystem:
    # Contents are kept of files that scripts name.
    names = "".join(f": /{path}\n" for path in FILES)
    return system(package(folder, "demo", FILES, controls=script(names + text)))


def new(system: DebianSystem, *prefixes: str) -> dict[str, str]:
    found = {entry.path: entry for entry in system.entries if entry.kind is not Kind.DIRECTORY}
    return {
        path: f"-> {entry.link}" if entry.link else entry.read().decode()
        for path, entry in found.items()
        if path.startswith(prefixes)
    }


def test_a_module_of_apache_comes_with_what_it_depends_on(tmp_path: Path) -> None:
    system = made(tmp_path, "a2enmod -m -q three; a2enmod -q -m three")
    assert system.findings == []
    assert new(system, "etc/apache2", "var/lib/apache2") == {
        "etc/apache2/mods-enabled/three.load": "-> ../mods-available/three.load",
        "var/lib/apache2/module/enabled_by_maint/three": "",
    }


def test_configurations_and_sites_of_apache(tmp_path: Path) -> None:
    system = made(tmp_path, "a2enconf -m -q a; a2ensite -q 000-default")
    assert system.findings == []
    assert new(system, "etc/apache2", "var/lib/apache2") == {
        "etc/apache2/conf-enabled/a.conf": "-> ../conf-available/a.conf",
        "etc/apache2/sites-enabled/000-default.conf": "-> ../sites-available/000-default.conf",
        "var/lib/apache2/conf/enabled_by_maint/a": "",
        "var/lib/apache2/site/enabled_by_admin/000-default": "",
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a2enmod -m one", id="modules that depend on each other"),
        pytest.param("a2enmod -m alone", id="a module that is not there"),
        pytest.param("a2enmod -m cgi", id="a module that another may take the place of"),
        pytest.param("a2enmod -m three; a2enmod -m other", id="a conflict"),
        pytest.param("a2enmod -m ../../../etc/shadow", id="a path"),
        pytest.param("a2enmod -x three", id="an option"),
        pytest.param("phpenmod -v 8.4 -s ../x late", id="a path of PHP"),
        pytest.param("phpenmod -v 8.4 nothing", id="a module of PHP that is not there"),
        pytest.param("echo de_DE.UTF-8 UTF-8 > /etc/locale.gen; locale-gen", id="a locale"),
        pytest.param("update-locale PATH=/x", id="no locale"),
    ],
)
def test_what_is_not_understood_is_a_finding(tmp_path: Path, text: str) -> None:
    assert {finding.reason for finding in made(tmp_path, text).findings} == {Reason.FILE}


def test_modules_of_php(tmp_path: Path) -> None:
    text = (
        "phpenmod -q -v 8.4 -m -r early\nphpenmod -v 8.4 -s cli -m late\n"
        "phpquery -v 8.4 -s cli -m late && phpquery -M -v 8.4 > /etc/registered; phpquery -S -v 8.4 > /etc/interfaces"
    )
    system = made(tmp_path, text)
    assert system.findings == []
    assert new(system, "etc/php", "var/lib/php", "etc/registered", "etc/interfaces") == {
        "etc/php/8.4/cli/conf.d/10-early.ini": "-> /etc/php/8.4/mods-available/early.ini",
        "etc/php/8.4/cli/conf.d/20-late.ini": "-> /etc/php/8.4/mods-available/late.ini",
        "var/lib/php/modules/8.4/cli/enabled_by_maint/early": "",
        "var/lib/php/modules/8.4/cli/enabled_by_maint/late": "",
        "var/lib/php/modules/8.4/registry/early": "",
        "etc/registered": "early\n",
        "etc/interfaces": "cli\n",
    }


def test_locales(tmp_path: Path) -> None:
    system = made(
        tmp_path, "echo '# de_DE' > /etc/locale.gen; locale-gen; update-locale LANG; update-locale LANG=C.UTF-8"
    )
    assert system.findings == []
    assert new(system, "etc/locale.conf") == {"etc/locale.conf": "#  File generated by update-locale\nLANG=C.UTF-8\n"}


def test_copied_configuration_is_registered(tmp_path: Path) -> None:
    text = "ucf /usr/share/demo/template /etc/x.conf; ucfr demo /etc/x.conf; ucfr demo /etc/x.conf"
    system = made(tmp_path, text)
    assert system.findings == []
    assert new(system, "etc/x.conf", "var/lib/ucf") == {
        "etc/x.conf": "template\n",
        "var/lib/ucf/cache/:etc:x.conf": "template\n",
        "var/lib/ucf/hashfile": "867860f2dd82367754a54d6b139c96ca  /etc/x.conf\n",
        "var/lib/ucf/registry": "demo \t /etc/x.conf\n",
    }


def test_scripts_find_libraries_of_other_packages(tmp_path: Path) -> None:
    """Small shell libraries are kept though no script of their own package names them."""
    library = package(tmp_path, "library", {"usr/share/other/maintscript-functions": text("f() { touch /srv/$1; }\n")})
    user = package(tmp_path, "user", controls=script(". /usr/share/other/maintscript-functions; f x"))
    made = system(library, user)
    assert made.findings == []
    assert shown(made.entries)["srv/x"] == b""


def test_temporary_files_leave_the_start_of_a_machine_and_credentials_out() -> None:
    files = SystemFiles((), (), {})
    files.make_directory("/var/there", 0o755)
    files.make_directory("/var/kept", 0o755)
    lines = (
        "F! /run/nologin\nf! /run/x\nf^ /etc/y - - - - name\nd /var/there 0700\nd /var/kept :0700\nz /var/kept 2750\n"
    )
    create_files(lines, files, Accounts(files))
    assert "/run/x" not in files
    assert "/etc/y" not in files
    modes = {path: entry.mode for path in ("/var/there", "/var/kept") if (entry := files.lookup(path)) is not None}
    assert modes == {"/var/there": 0o700, "/var/kept": 0o2750}


def test_found_files_are_deleted() -> None:
    files = SystemFiles((), (), {})
    for path in ("/srv/a/one.d/x", "/srv/a/two.d/y", "/srv/a/z"):
        files.write(path, b"")
    assert not delete_found(["/srv/a", "-name", "*.d", "-delete"], files)
    assert not delete_found(["/srv/a", "-newer", "/x", "-delete"], files)
    assert delete_found(["/srv/a", "-type", "f", "-mindepth", "2", "-delete"], files)
    assert delete_found(
        ["/srv/a", "/nothing", "-maxdepth", "1", "-type", "d", "-name", "*.d", "-empty", "-delete"], files
    )
    assert files.below("/srv/a") == ["srv/a/z"]

"""Maintainer scripts: the table of `docs/debian.md`, row by row, and what is never guessed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.scripts import known_commands
from docker_envs.environments.debian.scripts.findings import Reason
from tests.packages.build import Directory, File, Symlink, text
from tests.unit.environments.debian.systems import layer, package, script, shown, system

if TYPE_CHECKING:
    from docker_envs.environments.debian.system.assembly import DebianSystem
    from tests.packages.build import Node

PAGE = Path(__file__).parents[5] / "docs/debian.md"
FILES: dict[str, Node] = {
    "etc/demo.conf": text("packaged\n"),
    "usr/share/demo/default": text("default\n"),
    "usr/bin/tool": File(b"", 0o755),
    "usr/lib/demo/setup": File(b"", 0o755),
    "usr/bin/other": File(b"", 0o755),
    "usr/share/demo/old": Directory(),
    "usr/bin/link": Symlink("tool"),
    "usr/lib/sysusers.d/demo.conf": text('u demo 120 "Demo user" /srv\nm demo adm\ng demogroup -\n'),
    "usr/lib/tmpfiles.d/demo.conf": text("d /var/lib/demo 0750 nobody - -\nL /var/lib/link - - - - ../x\n"),
}
PASSWD: dict[str, Node] = {
    "usr/share/base-passwd/passwd.master": text("root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:::\n"),
    "usr/share/base-passwd/group.master": text("root:*:0:\nadm:*:4:\nutmp:*:43:\nshadow:*:42:\n"),
}
MASTERS = "cp /usr/share/base-passwd/passwd.master /etc/passwd; cp /usr/share/base-passwd/group.master /etc/group"


def made(folder: Path, text: str, **controls: str) -> DebianSystem:
    base = package(folder, "base-passwd", PASSWD, controls=script(MASTERS))
    return system(base, package(folder, "demo", FILES, controls={**script(text), **controls}))


def new_files(made: DebianSystem) -> dict[str, str]:
    """What the system adds beside what it always has, with `MODE:UID:GID` where these are not the usual ones."""
    usual = ("bin", "lib", "sbin", "etc/passwd", "etc/group", "etc", "usr", "var", "usr/share", "var/lib")
    found = {}
    for entry in made.entries:
        if entry.path in usual:
            continue
        owner = f" {entry.uid}:{entry.gid}" if entry.uid or entry.gid else ""
        what = entry.read().decode() if entry.kind is Kind.FILE else f"-> {entry.link}" if entry.link else "/"
        mode = f" {entry.mode:o}" if entry.mode not in (0o644, 0o777, 0o755) else ""
        found[entry.path] = what + mode + owner
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mkdir -p /srv/a/b; chmod 700 /srv/a/b", {"srv": "/", "srv/a": "/", "srv/a/b": "/ 700"}),
        ("umask 077\ntouch /srv/x", {"srv": "/", "srv/x": " 600"}),
        ("install -d -m 2775 -o root -g utmp /var/log/demo", {"var/log": "/", "var/log/demo": "/ 2775 0:43"}),
        ("cp -p /usr/share/demo/default /etc/default.conf", {"etc/default.conf": "default\n"}),
        ("[ -f /etc/demo.conf ] || cp /usr/share/demo/default /etc/demo.conf", {}),
        ("test -e /etc/x || cat > /etc/x <<EOF\nA=$1 B\nEOF", {"etc/x": "A=configure B\n"}),
        ("cat <<-'EOF' >/etc/x\n\tA=$1\n\tEOF", {"etc/x": "A=$1\n"}),
        ("echo one > /etc/x; echo two >> /etc/x", {"etc/x": "one\ntwo\n"}),
        ("ln -s tool /usr/bin/alias", {"usr/bin": "/", "usr/bin/alias": "-> tool"}),
        ("ln -sf dash /bin/sh.tmp && mv -f /bin/sh.tmp /bin/sh", {"usr/bin": "/", "usr/bin/sh": "-> dash"}),
        ("echo x > /etc/x; rm -f /etc/x", {}),
        ('if [ "$1" = configure ] && [ -z "$2" ]; then touch /srv/x; else touch /srv/y; fi', {"srv": "/", "srv/x": ""}),
        ('case "$1" in configure|reconfigure) touch /srv/x ;; *) exit 1 ;; esac', {"srv": "/", "srv/x": ""}),
        ('[ -n "$2" ] && touch /srv/x; dpkg --compare-versions "$2" lt-nl 2 && touch /srv/y; exit 0\ntouch /srv/z', {}),
        ("f() { local a; a=$1; touch /srv/$a; }\nf one; f two", {"srv": "/", "srv/one": "", "srv/two": ""}),
        ('f() { touch "$@"; }\nf /srv/a "/srv/b c"', {"srv": "/", "srv/a": "", "srv/b c": ""}),
        (': "${A:=/srv/x}"; touch "$A"; export B="$A y"; touch "$B"', {"srv": "/", "srv/x": "", "srv/x y": ""}),
        ('cat >/etc/x <<EOF\n\\"$1\\" \\$1\nEOF', {"etc/x": '\\"configure\\" $1\n'}),
        ("[[ $1 == conf* && ! -e /srv ]] && touch /srv/x", {"srv": "/", "srv/x": ""}),
        ('A=a; A+=b; touch "/srv/$A"', {"srv": "/", "srv/ab": ""}),
        (
            'case "$1" in [a-c]*) touch /srv/x ;; esac; while read a; do :; done</etc/demo.conf',
            {"srv": "/", "srv/x": ""},
        ),
        ("x=$(case a in a) echo /srv/x ;; esac); touch $x", {"srv": "/", "srv/x": ""}),
        ("for i in 1 2; do [ $i = 1 ] && continue; touch /srv/$i; done", {"srv": "/", "srv/2": ""}),
        ("for f in /usr/bin/t*; do touch /srv/$(basename x)${f##*/}; done", {}),
        ("for f in /usr/bin/t*; do touch /srv/${f##*/}; done", {"srv": "/", "srv/tool": ""}),
        (
            "if command -v nothing >/dev/null; then nothing; fi; which tool >/dev/null && touch /srv/x",
            {"srv": "/", "srv/x": ""},
        ),
        ("systemctl daemon-reload; deb-systemd-helper enable x; update-rc.d x defaults; py3compile -p x", {}),
        ("dpkg-maintscript-helper rm_conffile /etc/y 1.0 -- \"$@\"; sed 's/a/b/' /etc/demo.conf >/dev/null", {}),
        ("[ -d /run/systemd/system ] && touch /srv/x\n! grep -q x /dev/null || true", {}),
        ("t=$(mktemp); echo x > $t; rm -f $t", {}),
        ("systemd-tmpfiles --create demo.conf", {"var/lib/demo": "/ 750 65534:0", "var/lib/link": "-> ../x"}),
        ("ucf --three-way /usr/share/demo/default /etc/ucf.conf", {"etc/ucf.conf": "default\n"}),
    ],
)
def test_effects(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    system = made(tmp_path, text)
    found = {path: what for path, what in new_files(system).items() if path != "usr/bin" or "usr/bin" in expected}
    if "basename" in text:
        assert [finding.reason for finding in system.findings] == [Reason.ARGUMENT]
    else:
        assert [str(finding) for finding in system.findings] == []
    assert found == {path: what for path, what in expected.items() if path in found or path != "usr/bin"}


NOLOGIN = "/usr/sbin/nologin"


@pytest.mark.parametrize(
    ("text", "passwd", "group"),
    [
        ("adduser --system --no-create-home x", f"x:x:100:65534::/home/x:{NOLOGIN}", ""),
        ("adduser --system --group --home /x --gecos 'A b' x", f"x:x:100:100:A b:/x:{NOLOGIN}", "x:x:100:"),
        ("addgroup --system --gid 77 x; addgroup --system y", "", "x:x:77: y:x:100:"),
        ("groupadd -r x; useradd -r -g x -d /srv -s /bin/no -c C x", "x:x:999:999:C:/srv:/bin/no", "x:x:999:"),
        ("getent group adm || groupadd -g 4 adm; useradd -r -U x", "x:x:999:999::/home/x:/bin/sh", "x:x:999:"),
        ("systemd-sysusers demo.conf", f"demo:x:120:120:Demo user:/srv:{NOLOGIN}", "demo:x:120: demogroup:x:999:"),
    ],
)  # fmt: skip
def test_accounts(tmp_path: Path, text: str, passwd: str, group: str) -> None:
    system = made(tmp_path, text)
    assert system.findings == []
    files = {entry.path: entry.read().decode().splitlines() for entry in system.entries if entry.kind is Kind.FILE}
    assert "".join(files["etc/passwd"][2:]) == passwd
    added = [line for line in files["etc/group"][1:] if not line.startswith(("adm:", "utmp:", "shadow:"))]
    assert " ".join(added) == group


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tool --make", Reason.UNKNOWN),
        ("/usr/bin/tool", Reason.UNKNOWN),
        ("/usr/lib/demo/setup --all || true", Reason.UNKNOWN),
        (". /etc/nothing", Reason.UNKNOWN),
        ("fc-cache -s", Reason.CACHE),
        ('if [ "$(date)" = x ]; then touch /srv/x; fi', Reason.CONDITION),
        ("grep -q x /etc/demo.conf && touch /srv/x", Reason.CONDITION),
        ("while read a; do touch /srv/x; done < /etc/demo.conf", Reason.CONDITION),
        ("date | sed s/a/b/ > /srv/x", Reason.ARGUMENT),
        ("touch /srv/$(date)", Reason.ARGUMENT),
        ("mkdir /srv/$((1 + 1))", Reason.ARGUMENT),
        ("touch ~/x", Reason.ARGUMENT),
        ("touch /srv/${1:?why}${3:?why}", Reason.ARGUMENT),
        ("date && : ${A:=/srv/x}; touch $A", Reason.ARGUMENT),
        ("IFS=:; a=x:y; touch /srv/$a", Reason.ARGUMENT),
        ("[[ $(date) == x ]] && touch /srv/x", Reason.CONDITION),
        ("((a++)) && touch /srv/x", Reason.CONDITION),
        ("[ --5 -eq 1 ] && touch /srv/x", Reason.CONDITION),
        ("echo changed > /etc/demo.conf", Reason.FILE),
        ("sed -i s/a/b/ /etc/demo.conf", Reason.UNKNOWN),
        ("rm -rf /usr/share/demo", Reason.FILE),
        ("rm -f /etc/demo.conf", Reason.FILE),
        ("if true; then", Reason.UNREADABLE),
        ("f() { f; }; f", Reason.UNREADABLE),
        ("adduser somebody", Reason.FILE),
    ],
)
def test_findings(tmp_path: Path, text: str, reason: Reason) -> None:
    fixed = text.replace("sed -i", "tool; sed -i") if text.startswith("sed -i") else text
    system = made(tmp_path, fixed)
    assert {finding.reason for finding in system.findings} == {reason}
    assert {path for path in new_files(system) if path.startswith("srv/")} == set()


def test_a_file_that_is_removed_names_who_does(tmp_path: Path) -> None:
    assert [str(finding) for finding in made(tmp_path, "rm -f /etc/demo.conf").findings] == [
        "demo: postinst: `rm /etc/demo.conf` was not run (file of a package)"
    ]


def test_a_script_in_another_language(tmp_path: Path) -> None:
    system = made(tmp_path, "", postinst="#!/usr/bin/perl\nunlink 'x';\n")
    assert [str(finding) for finding in system.findings] == [
        "demo: postinst, line 1: `a script for `#!/usr/bin/perl`` was not run (unreadable script)"
    ]


def test_attributes_of_packaged_files_are_set_in_their_layer(tmp_path: Path) -> None:
    change = "dpkg-statoverride --update --add root utmp 2755 /usr/bin/tool"
    text = f"dpkg-statoverride --list /usr/bin/tool >/dev/null || {change}"
    fixture = package(tmp_path, "demo", FILES, controls=script(text))
    made = system(
        package(tmp_path, "dpkg"), package(tmp_path, "base-passwd", PASSWD, controls=script(MASTERS)), fixture
    )
    assert made.findings == []
    assert made.placements["demo"].attributes == {"usr/bin/tool": (0o2755, 0, 43)}
    assert shown(made.entries)["var/lib/dpkg/statoverride"] == b"root utmp 2755 /usr/bin/tool\n"
    assert layer(fixture, made)["usr/bin/tool"] == b""


def test_answers_are_the_defaults(tmp_path: Path) -> None:
    templates = "Template: demo/zone\nType: string\nDefault: UTC\n\nTemplate: demo/none\nType: string\n"
    text = ". /usr/share/debconf/confmodule\ndb_version 2.0\ndb_get demo/zone && Z=$RET\ndb_get demo/none && Z=no\n"
    assert new_files(made(tmp_path, f"{text}echo $Z > /etc/zone", templates=templates)) == {"etc/zone": "UTC\n"}


def test_alternatives(tmp_path: Path) -> None:
    slave = "--slave /usr/share/man/gen.1 gen.1 /usr/share/man/one.1"
    one = f"update-alternatives --install /usr/bin/gen gen /usr/bin/one 10 {slave}"
    two = "update-alternatives --quiet --install /usr/bin/gen gen /usr/bin/two 20"
    first = package(tmp_path, "one", {"usr/bin/one": text("")}, controls=script(one))
    second = package(tmp_path, "two", {"usr/bin/two": text("")}, controls=script(two))
    found = shown(system(first, second).entries)
    assert found["usr/bin/gen"] == "-> /etc/alternatives/gen"
    assert found["etc/alternatives/gen"] == "-> /usr/bin/two"
    assert found["var/lib/dpkg/alternatives/gen"] == (
        b"auto\n/usr/bin/gen\ngen.1\n/usr/share/man/gen.1\n\n"
        b"/usr/bin/one\n10\n/usr/share/man/one.1\n/usr/bin/two\n20\n\n\n"
    )


def test_order_is_that_of_needs(tmp_path: Path) -> None:
    last = package(tmp_path, "aaa", controls=script("cat /etc/b"), Depends="x | virtual")
    needed = package(tmp_path, "zzz", controls=script("echo b > /etc/b"), Provides="virtual (= 1)", Depends="aaa, mmm")
    middle = package(tmp_path, "mmm", controls=script("[ -e /etc/b ] || echo early > /etc/m"))
    found = shown(system(last, middle, needed).entries)
    assert found["etc/m"] == b"early\n"


def test_the_page_names_every_command() -> None:
    words = set(re.findall(r"`([^`\s]+)`", PAGE.read_text()))
    tables = (known_commands.SERVICES, known_commands.INSTALLATION, known_commands.BYTECODE, known_commands.CACHES)
    assert frozenset().union(*tables) - words == frozenset()

"""Maintainer scripts: the table of `docs/debian.md`, row by row, and what is never guessed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.archives.entries import DebLayer, iter_deb_entries
from docker_envs.environments.debian.archives.placement import CAPABILITY, Attributes
from docker_envs.environments.debian.scripts import known_commands
from docker_envs.environments.debian.scripts.capability_commands import encode_capabilities
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
    "usr/share/demo/functions": text('greet() { echo "hello $1" > /etc/greeting; }\n'),
    "usr/share/demo/again": File(b"#!/bin/sh\n/usr/share/demo/again\n", 0o755),
    "usr/share/demo/run": File(b'#!/bin/sh\ntouch "/srv/$1"\n', 0o755),
    "usr/bin/tool": File(b"", 0o755),
    "usr/lib/demo/setup": File(b"", 0o755),
    "usr/bin/other": File(b"", 0o755),
    "usr/bin/unknown": File(b"x", 0o755),
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
        ("for f in /usr/bin/t*; do touch /srv/$(basename /x/y.z .z)${f##*/}; done", {"srv": "/", "srv/ytool": ""}),
        ("mkdir /srv/$((1 + 1)); i=3; touch /srv/$(($i*2))", {"srv": "/", "srv/2": "/", "srv/6": ""}),
        (
            "f() { return 1; }; g() { return 0; }; f || touch /srv/$?; g && touch /srv/b",
            {"srv": "/", "srv/1": "", "srv/b": ""},
        ),
        ("f() { local a=x; b=$a; }; a=1; f; touch /srv/$a$b", {"srv": "/", "srv/1x": ""}),
        (
            "for i in 1 2 3; do for j in 1 2; do [ $i = 2 ] && break 2; touch /srv/$i$j; done; done",
            {"srv": "/", "srv/11": "", "srv/12": ""},
        ),
        (
            "i=0; while [ $i -lt 2 ]; do touch /srv/$i; i=$((i + 1)); done; touch /srv/end$i",
            {"srv": "/", "srv/0": "", "srv/1": "", "srv/end2": ""},
        ),
        ("printf 'a b\\nc\\n' | while read x y; do echo \"$y$x\" >> /etc/x; done", {"etc/x": "ba\nc\n"}),
        (
            "while read a; do grep -q packaged /etc/demo.conf && touch /srv/$a; done < /etc/demo.conf",
            {"srv": "/", "srv/packaged": ""},
        ),
        (
            'if x=$(false) || [ -z "$x" ]; then touch /srv/x; fi; (exit 3) || touch /srv/$?',
            {"srv": "/", "srv/x": "", "srv/3": ""},
        ),
        ("a=1; (a=2; touch /srv/$a); touch /srv/$a", {"srv": "/", "srv/2": "", "srv/1": ""}),
        (". /etc/nothing || touch /srv/x", {"srv": "/", "srv/x": ""}),
        (". /usr/share/demo/functions; greet you", {"etc/greeting": "hello you\n"}),
        ("/usr/share/demo/run one", {"srv": "/", "srv/one": ""}),
        ("cat /usr/share/demo/default > /etc/x; sed -i -e s/default/changed/ /etc/x", {"etc/x": "changed\n"}),
        (
            "t=$(mktemp); sed s/d/D/ /usr/share/demo/default > $t; chmod 644 $t; ucf $t /etc/ucf.conf; rm $t",
            {"etc/ucf.conf": "Default\n"},
        ),
        ("install --mode 600 /dev/null /etc/x", {"etc/x": " 600"}),
        (
            "mkdir -p /srv/a.d /srv/b.d; touch /srv/b.d/x; find /srv -maxdepth 1 -type d -name '*.d' -empty -delete",
            {"srv": "/", "srv/b.d": "/", "srv/b.d/x": ""},
        ),
        ("ln -sr /etc/demo.conf /etc/link", {"etc/link": "-> demo.conf"}),
        (
            "unset a; a=x; unset a; touch /srv/x$a; dpkg-query -W nothing || touch /srv/y",
            {"srv": "/", "srv/x": "", "srv/y": ""},
        ),
        (
            "adduser --system --group z; id -Gn z | grep -qw z && touch /srv/$(id -u z)",
            {"srv": "/", "srv/100": "", "home": "/", "home/z": "/ 100:100"},
        ),
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
        ("d=/usr/bin; . $d/unknown", Reason.UNKNOWN),
        ("ssh-keygen -f /srv/key", Reason.MACHINE),
        ("/usr/share/demo/run $(date)", Reason.ARGUMENT),
        ("date | while read a; do touch /srv/x; done", Reason.CONDITION),
        ("sed -i s/a/b/ /etc/demo.conf", Reason.FILE),
        ("echo a > /etc/x; sed -i y/a/b/ /etc/x", Reason.FILE),
        ("find /etc -name demo.conf -exec rm {} +", Reason.FILE),
        ("setcap cap_nothing=ep /usr/bin/tool", Reason.FILE),
        ("fc-cache -s", Reason.CACHE),
        ('if [ "$(date)" = x ]; then touch /srv/x; fi', Reason.CONDITION),
        ("date | grep -q x && exit 0; touch /srv/x", Reason.CONDITION),
        ("f() { date | grep -q x && return 0; touch /srv/x; }; f", Reason.CONDITION),
        ("f() { date | grep -q x && exit; }; f; touch /srv/x", Reason.CONDITION),
        ("for i in 1; do date | grep -q x && continue; touch /srv/x; done", Reason.CONDITION),
        ("d=/usr/bin; grep -q x $d/unknown && touch /srv/x", Reason.CONDITION),
        ("date | sed s/a/b/ > /srv/x", Reason.ARGUMENT),
        ("touch /srv/$(date)", Reason.ARGUMENT),
        ("mkdir /srv/$((a++))$((1 / 0))", Reason.ARGUMENT),
        ("touch ~/x", Reason.ARGUMENT),
        ("touch /srv/${1:?why}${3:?why}", Reason.ARGUMENT),
        ("date && : ${A:=/srv/x}; touch $A", Reason.ARGUMENT),
        ("IFS=:; a=x:y; touch /srv/$a", Reason.ARGUMENT),
        ("[[ $(date) == x ]] && touch /srv/x", Reason.CONDITION),
        ("((a++)) && touch /srv/x", Reason.CONDITION),
        ("[ --5 -eq 1 ] && touch /srv/x", Reason.CONDITION),
        ("echo changed > /etc/demo.conf", Reason.FILE),
        ("rm -rf /usr/share/demo", Reason.FILE),
        ("rm -f /etc/demo.conf", Reason.FILE),
        ("if true; then", Reason.UNREADABLE),
        ("f() { f; }; f", Reason.UNREADABLE),
        ("adduser somebody", Reason.FILE),
    ],
)
def test_findings(tmp_path: Path, text: str, reason: Reason) -> None:
    system = made(tmp_path, text)
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
    assert made.placements["demo"].attributes == {"usr/bin/tool": Attributes(0o2755, 0, 43)}
    assert shown(made.entries)["var/lib/dpkg/statoverride"] == b"root utmp 2755 /usr/bin/tool\n"
    assert layer(fixture, made)["usr/bin/tool"] == b""


CAPABLE = bytes.fromhex("0100000200200000000000000000000000000000")


def test_capabilities_are_in_the_layer_of_the_package(tmp_path: Path) -> None:
    """The attribute is what `setcap` of libcap writes (revision 2, effective, permitted bit 13)."""
    text = (
        "getcap /usr/bin/tool | grep -q tool || setcap cap_net_raw+ep /usr/bin/tool\nsetcap -r /usr/bin/other || true"
    )
    fixture = package(tmp_path, "demo", FILES, controls=script(text))
    made = system(package(tmp_path, "dpkg"), fixture)
    assert made.findings == []
    assert made.placements["demo"].attributes == {"usr/bin/tool": Attributes(0o755, 0, 0, CAPABLE)}
    wanted = DebLayer(made.placements["demo"])
    entries = {entry.path: dict(entry.xattrs) for entry in iter_deb_entries(fixture.archive, fixture.metadata, wanted)}
    assert {path: xattrs for path, xattrs in entries.items() if xattrs} == {"usr/bin/tool": {CAPABILITY: CAPABLE}}


def test_capabilities_are_read_by_libcap(tmp_path: Path) -> None:
    """What is written is what the host's `getcap` reads."""
    if shutil.which("getcap", path="/usr/sbin:/sbin:/usr/bin") is None:
        pytest.skip("no getcap")
    file = tmp_path / "file"
    file.write_bytes(b"")
    try:
        os.setxattr(file, CAPABILITY, encode_capabilities("cap_net_raw,cap_bpf=ep") or b"")
    except OSError:
        pytest.skip("no rights to set capabilities")
    environment = {"PATH": "/usr/sbin:/sbin:/usr/bin"}
    done = subprocess.run(["getcap", file], check=True, capture_output=True, text=True, env=environment)
    assert set(done.stdout.split()[-1].removesuffix("=ep").split(",")) == {"cap_net_raw", "cap_bpf"}


def test_answers_are_the_defaults(tmp_path: Path) -> None:
    templates = "Template: demo/zone\nType: string\nDefault: UTC\n\nTemplate: demo/none\nType: string\n"
    text = (
        ". /usr/share/debconf/confmodule\ndb_version 2.0\ndb_get demo/zone && Z=$RET\n"
        "db_get demo/none && Z=$Z,$RET\ndb_get demo/nothing || Z=$Z,nothing\n"
    )
    expected = {"etc/zone": "UTC,,nothing\n"}
    assert new_files(made(tmp_path, f"{text}echo $Z > /etc/zone", templates=templates)) == expected


CONFIG = """#!/bin/sh
. /usr/share/debconf/confmodule
for AREA in $(db_metaget demo/area choices-c && echo "$RET" | tr -d ,); do :; done
db_set demo/zone "$AREA/UTC"
STATE=1
while [ "$STATE" -ge 0 ]; do
  case $STATE in 1) db_input high demo/zone || true ;; *) break ;; esac
  if db_go; then STATE=$((STATE + 1)); else STATE=$((STATE - 1)); fi
done
touch /srv/config
"""


def test_a_script_of_questions_answers_first_and_changes_nothing(tmp_path: Path) -> None:
    templates = "Template: demo/area\nType: select\nChoices: Europe, Etc\n\nTemplate: demo/zone\nType: string\n"
    text = ". /usr/share/debconf/confmodule; db_get demo/zone; echo $RET > /etc/zone"
    system = made(tmp_path, text, templates=templates, config=CONFIG)
    assert system.findings == []
    assert new_files(system) == {"etc/zone": "Etc/UTC\n"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("f() { f; }; f", id="a function that calls itself"),
        pytest.param("f() { " + "if true; then " * 40 + "f" + "; fi" * 40 + "; }; f", id="deep bodies"),
        pytest.param("f() { x=" + "$(echo " * 40 + "$(f)" + ")" * 40 + "; }; f", id="deep substitutions"),
        pytest.param("/usr/share/demo/again", id="a script that runs itself"),
        pytest.param("while true; do :; done", id="a loop without end"),
        pytest.param("while true; do while true; do :; done; done", id="loops without end"),
        pytest.param("x=aaaaaaaa; while true; do x=$x$x; done", id="a value that grows"),
        pytest.param("x=" + "a" * 100_000 + "; while true; do echo " + "$x" * 300 + "; done", id="much text"),
        pytest.param("cat <<E > /srv/x\n" + "a" * 200_000 + "\nE\ndate > /srv/y", id="a huge here-document"),
        pytest.param("echo " + "a" * 50_000 + " | sed 's/a*a*a*a*b//' > /srv/x", id="a slow expression"),
        pytest.param(
            "echo " + "a" * 5_000 + " | grep -qE '(a|a)*(a|aa)*b' && touch /srv/x", id="expressions in others"
        ),
        pytest.param("echo " + "a" * 60 + " | grep -qE '(a|a)*b' && touch /srv/x", id="alternatives again and again"),
        pytest.param(
            "echo " + "a" * 60 + " | grep -qE '(aa?)*(a|ab?)+b' && touch /srv/x",
            id="what may be absent, repeated",
        ),
    ],
)
def test_hostile_scripts_end(tmp_path: Path, text: str) -> None:
    system = made(tmp_path, text)
    assert all(finding.reason is not Reason.MACHINE for finding in system.findings)
    assert "srv/y" not in new_files(system)


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
    tables = (
        known_commands.SERVICES,
        known_commands.INSTALLATION,
        known_commands.BYTECODE,
        known_commands.CACHES,
        known_commands.MACHINE,
    )
    assert frozenset().union(*tables) - words == frozenset()

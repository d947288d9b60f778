"""Lists of archives as apt reads them: `.sources` files with stanzas, and `.list` files with one archive a line.

Spec: apt, sources.list(5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.documents.text_file import read_text
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.environments.debian.stanzas import parse_stanzas
from docker_envs.errors import FormatError, InvalidDeclarationError, InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r"(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>.*)")
# Also of what is no URL, so that no password of a mistyped line is shown.
_USERINFO = re.compile(r"[^\s/]*@")
_NO = frozenset({"no", "false", "without", "off", "disable"})
# Of the one machine that has them: media, and programs that choose a mirror.
_LOCAL = ("cdrom:", "mirror", "tor+", "ssh:", "rsh:")


def host_sources(directory: Path) -> tuple[AptSource, ...]:
    """The archives that a system uses.

    Args:
        directory: Its `/etc/apt`.

    Raises:
        InvalidDeclarationError: A file is malformed.
    """
    main = [path for path in (directory / "sources.list",) if path.is_file() and path.stat().st_size]
    parts = sorted(path for path in directory.glob("sources.list.d/*") if path.suffix in (".list", ".sources"))
    found = [source for path in (*main, *parts) for source in read_sources(path)]
    return tuple(dict.fromkeys(found))


def read_sources(path: Path) -> tuple[AptSource, ...]:
    """The archives of one file, in its order; those that are disabled, of source packages or on media are left out.

    Raises:
        InvalidDeclarationError: It cannot be read, or is malformed.
    """
    if path.suffix == ".sources":
        return _read_stanzas(path)
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line:
            found += parse_source(line, f"{path}:{number}")
    return tuple(found)


def parse_source(line: str, place: str) -> list[AptSource]:
    """The archive of a line such as `deb https://HOST/debian SUITE main`; none for sources and for media.

    Args:
        line: Without comments.
        place: Where it stands, for messages.

    Raises:
        InvalidDeclarationError: It is malformed.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise InvalidDeclarationError(
            place,
            f"{_USERINFO.sub('', line)!r} does not name an archive",
            hint="write it as `deb https://HOST/debian SUITE main`",
        )
    options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
    fields = {
        "uris": match["uri"],
        "suites": match["suite"],
        "components": match["rest"],
        **{name.lower(): value.replace(",", " ") for name, value in options.items()},
    }
    fields["architectures"] = fields.get("arch", "")
    return _sources(fields, place) if match["type"] == "deb" else []


def _read_stanzas(path: Path) -> tuple[AptSource, ...]:
    try:
        stanzas = list(parse_stanzas(read_text(path), source=str(path)))
    except FormatError as error:
        raise InvalidDeclarationError(str(path), error.reason) from error
    found = []
    for number, stanza in enumerate(stanzas, 1):
        missing = next((name for name in ("Types", "URIs", "Suites") if not stanza.get(name.lower())), None)
        place = f"{path}: stanza {number}"
        if missing:
            raise InvalidDeclarationError(place, f"has no field `{missing}`")
        if "deb" in stanza["types"].split() and stanza.get("enabled", "yes").lower() not in _NO:
            found += _sources(stanza, place)
    return tuple(found)


def _sources(fields: dict[str, str], place: str) -> list[AptSource]:
    """One archive for each address."""
    try:
        return [
            AptSource(
                uri.replace("copy:", "file:", 1) if uri.startswith("copy:") else uri,
                tuple(fields["suites"].split()),
                tuple(fields.get("components", "").split()),
                signed_by=_signed_by(fields.get("signed-by", "")),
                architectures=tuple(fields.get("architectures", "").split()),
                check_valid_until=fields.get("check-valid-until", "yes").lower() not in _NO,
            )
            for uri in fields["uris"].split()
            if not uri.startswith(_LOCAL)
        ]
    except InvalidInputError as error:
        raise InvalidDeclarationError(place, str(error), hint=error.hint) from error


def _signed_by(value: str) -> str:
    """A path, fingerprints, or a key whose empty lines are written as dots."""
    if "-----BEGIN" not in value:
        return " ".join(value.replace(",", " ").split())
    lines = [line.strip() for line in value.strip().split("\n")]
    return "\n".join("" if line == "." else line for line in lines) + "\n"

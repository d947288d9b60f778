"""The database of dpkg: one `status` for all packages, and beside it the files that each package's control had.

Spec: dpkg(1), "Files"; deb-triggers(5); dpkg, `lib/dpkg/parse.c` (the order of fields) and `doc/triggers.txt` (the
files in `triggers/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.debian.archives.control import Control
from docker_envs.environments.debian.stanzas import iter_paragraphs
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from docker_envs.environments.debian.archives.metadata import DebianMetadata
    from docker_envs.environments.debian.system.files import SystemFiles
    from docker_envs.environments.debian.system.model import Diversion

ROOT = "/var/lib/dpkg"
STATUS = f"{ROOT}/status"
_INFO = f"{ROOT}/info"
# The order of dpkg's own fields; those that it does not know follow.
_FIELDS = (
    *("Package", "Essential", "Protected", "Status", "Priority", "Section", "Installed-Size", "Origin", "Maintainer"),
    *("Bugs", "Architecture", "Multi-Arch", "Source", "Version", "Replaces", "Provides", "Depends", "Pre-Depends"),
    *("Recommends", "Suggests", "Breaks", "Conflicts", "Enhances", "Conffiles", "Description"),
)
_EXECUTABLE = ("preinst", "postinst", "prerm", "postrm", "config")


def write_database(
    packages: Sequence[DebianMetadata],
    files: SystemFiles,
    *,
    architecture: str,
    lost: Mapping[str, Collection[str]],
    diversions: Iterable[Diversion],
) -> None:
    """All of `/var/lib/dpkg`, so that dpkg and apt go on with the system; what a base has of it stays.

    Args:
        packages: Those that are new.
        files: Of the system; the database is written to it.
        architecture: Debian's name of it.
        lost: Paths (as packages have them) that another package has taken over, by the loser's `file_stem`.
        diversions: All of the system.

    Raises:
        FormatError: The base's `status` cannot be read.
    """
    known = (files.read(STATUS) or b"").decode("utf-8", "surrogateescape")
    _write(files, STATUS, merged_status(known, packages))
    _write(files, f"{ROOT}/arch", f"{architecture}\n")
    _write(files, f"{_INFO}/format", "1\n")
    for package in packages:
        _write_info(files, package, lost.get(package.control.file_stem, ()))
    lines = "".join(f"{each.path}\n{each.target}\n{each.package or ':'}\n" for each in diversions)
    _write(files, f"{ROOT}/diversions", lines)
    for name, text in _triggers(packages, files).items():
        _write(files, f"{ROOT}/triggers/{name}", text)


def merged_status(known: str, packages: Iterable[DebianMetadata]) -> str:
    """The text of `status`: paragraphs sorted by name and architecture, those of new packages instead of older ones.

    Raises:
        FormatError: What is known already cannot be read.
    """
    paragraphs: dict[tuple[str, str], str] = {}
    for text in iter_paragraphs(known):
        control = Control(text, source=f"the base's `{STATUS}`")
        paragraphs[control.name, control.architecture] = control.text
    for package in packages:
        control = package.control
        older = [key for key in paragraphs if key[0] == control.name]
        for key in older if not control.is_multi_arch else [(control.name, control.architecture)]:
            paragraphs.pop(key, None)
        paragraphs[control.name, control.architecture] = status_paragraph(package)
    return "".join(f"{text}\n" for _, text in sorted(paragraphs.items()))


def status_paragraph(package: DebianMetadata) -> str:
    """What `status` says of an installed package.

    Raises:
        FormatError: It lists a conffile that it does not have.
    """
    fields = {name.lower(): (name, value) for name, value in package.control}
    fields["status"] = ("Status", "install ok installed")
    lines = []
    for path in package.conffiles:
        if path not in package.md5sums:
            raise FormatError(package.name, f"it lists the conffile `/{path}`, which it does not have")
        lines.append(f"\n /{path} {package.md5sums[path]}")
    if lines:
        fields["conffiles"] = ("Conffiles", "".join(lines))
    order = {name.lower(): number for number, name in enumerate(_FIELDS)}
    chosen = sorted(fields, key=lambda name: order.get(name, len(order)))
    return "".join(
        f"{name}:{'' if value[:1] == chr(10) else ' '}{value}\n" for name, value in map(fields.__getitem__, chosen)
    )


def _write_info(files: SystemFiles, package: DebianMetadata, lost: Collection[str]) -> None:
    stem = f"{_INFO}/{package.control.file_stem}"
    paths = [f"/{entry.path}\n" for entry in package.files if entry.path not in lost]
    _write(files, f"{stem}.list", "".join(["/.\n", *paths]))
    for name, content in sorted(package.control_files.items()):
        files.write(f"{stem}.{name}", content, mode=0o755 if name in _EXECUTABLE else 0o644)
    if "md5sums" not in package.control_files:
        kept = sorted(path for path in package.md5sums if path not in package.conffiles)
        _write(files, f"{stem}.md5sums", "".join(f"{package.md5sums[path]}  {path}\n" for path in kept))


def _triggers(packages: Sequence[DebianMetadata], files: SystemFiles) -> dict[str, str]:
    """The files of `triggers/`: interests in paths in one, those in names in a file for each name."""
    found: dict[str, list[str]] = {"File": [], "Unincorp": []}
    for path in files.below(f"{ROOT}/triggers"):
        name = path.rpartition("/")[2]
        found[name] = (files.read(f"/{path}") or b"").decode("utf-8", "surrogateescape").splitlines()
    for package in packages:
        for directive, name in package.triggers:
            if not directive.startswith("interest"):
                continue
            who = package.control.file_stem + ("/noawait" if directive == "interest-noawait" else "")
            place, line = ("File", f"{name} {who}") if name.startswith("/") else (name, who)
            if "/" not in place and line not in found.setdefault(place, []):
                found[place].append(line)
    return {name: "".join(f"{line}\n" for line in lines) for name, lines in found.items()}


def _write(files: SystemFiles, path: str, text: str) -> None:
    files.write(path, text.encode("utf-8", "surrogateescape"))

"""Link scripts: what an installer would run when it links or unlinks a package, and what leaving them unrun means.

They are never run: they are the package's code, they need an environment that is complete, and what they do depends on
the machine. The table tells which of them matter.

Spec: conda docs, "Adding pre-link, post-link, and pre-unlink scripts".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Verdict(StrEnum):
    """What it means that a script is not run.

    Attributes:
        HARMLESS: Nothing in a container depends on its effect.
        EMULATED: Its effect is plain data, which the layer has.
        ATTENTION: Something may be missing.
    """

    HARMLESS = "harmless"
    EMULATED = "emulated"
    ATTENTION = "needs attention"


@dataclass(frozen=True, slots=True)
class LinkScript:
    """One script of a package.

    Attributes:
        package: Name of the package.
        path: Relative to the prefix.
        phase: `pre-link`, `post-link` or `pre-unlink`.
        verdict: What it means that it is not run.
        reason: Why, as a clause.
    """

    package: str
    path: str
    phase: str
    verdict: Verdict
    reason: str


_PHASES = ("pre-link", "post-link", "pre-unlink")
_BEFORE_REMOVAL = "it would run when the package is removed, which never happens in an image"
_UNKNOWN = "what it does is not known"
_MESSAGE = "it only shows a message"
_ICONS = "GTK finds icons without the cache, only slower"
_FONTS = "fontconfig makes its cache when it is first used"
_SCHEMAS = "run `glib-compile-schemas $CONDA_PREFIX/share/glib-2.0/schemas`, GSettings need its result"
_LOADERS = "run `gdk-pixbuf-query-loaders --update-cache`, image formats beside the built-in ones need its result"
_EXTENSION = "it enables a notebook extension, which newer versions do by files of their own"

#: Names (or patterns of names) of packages, the first that fits counts.
_KNOWN: tuple[tuple[str, Verdict, str], ...] = (
    ("mkl*", Verdict.HARMLESS, _MESSAGE),
    ("blas*", Verdict.HARMLESS, _MESSAGE),
    ("intel-openmp", Verdict.HARMLESS, _MESSAGE),
    ("cudatoolkit*", Verdict.HARMLESS, _MESSAGE),
    ("cudnn", Verdict.HARMLESS, _MESSAGE),
    ("ca-certificates", Verdict.EMULATED, "`ssl/cert.pem` leads to `ssl/cacert.pem`"),
    ("fontconfig", Verdict.HARMLESS, _FONTS),
    ("font-ttf-*", Verdict.HARMLESS, _FONTS),
    ("fonts-*", Verdict.HARMLESS, _FONTS),
    ("adwaita-icon-theme", Verdict.HARMLESS, _ICONS),
    ("hicolor-icon-theme", Verdict.HARMLESS, _ICONS),
    ("gdk-pixbuf", Verdict.ATTENTION, _LOADERS),
    ("librsvg", Verdict.ATTENTION, _LOADERS),
    ("glib", Verdict.ATTENTION, _SCHEMAS),
    ("gsettings-desktop-schemas", Verdict.ATTENTION, _SCHEMAS),
    ("gtk[234]", Verdict.ATTENTION, f"{_SCHEMAS}; and `gtk-query-immodules` for input methods"),
    ("shared-mime-info", Verdict.ATTENTION, "run `update-mime-database $CONDA_PREFIX/share/mime`"),
    ("graphviz", Verdict.ATTENTION, "run `dot -c`, which registers the layout engines"),
    ("texlive-core", Verdict.ATTENTION, "run `mktexlsr` and `fmtutil-sys --all`"),
    ("bioconductor-*", Verdict.ATTENTION, "it downloads the package's data"),
    ("widgetsnbextension", Verdict.ATTENTION, _EXTENSION),
    ("nb_conda*", Verdict.ATTENTION, _EXTENSION),
    ("rise", Verdict.ATTENTION, _EXTENSION),
)

_EMULATED_LINKS = {"ca-certificates": {"ssl/cert.pem": "cacert.pem"}}


def find_link_scripts(package: str, paths: Iterable[str]) -> list[LinkScript]:
    """The scripts that an installer on Linux would run for a package.

    Args:
        package: Its name.
        paths: Target paths of its files, relative to the prefix.
    """
    script = re.compile(rf"bin/\.{re.escape(package)}-({'|'.join(_PHASES)})\.sh\Z")
    return [
        LinkScript(package, path, match[1], *_classify(package, match[1]))
        for path in paths
        if (match := script.match(path))
    ]


def emulated_links(package: str, paths: Collection[str]) -> dict[str, str]:
    """Symbolic links that a package's script would make: targets by path, relative to the prefix.

    Args:
        package: Its name.
        paths: Target paths of its files; what it brings itself is not made.
    """
    wanted = _EMULATED_LINKS.get(package)
    if not wanted or not any(script.phase == "post-link" for script in find_link_scripts(package, paths)):
        return {}
    return {path: target for path, target in wanted.items() if path not in paths}


def _classify(package: str, phase: str) -> tuple[Verdict, str]:
    if phase == "pre-unlink":
        return Verdict.HARMLESS, _BEFORE_REMOVAL
    for pattern, verdict, reason in _KNOWN:
        if fnmatchcase(package, pattern):
            return verdict, reason
    return Verdict.ATTENTION, _UNKNOWN

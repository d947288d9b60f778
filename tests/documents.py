"""The pages of the documentation: their Python examples, which run, and their links, which lead somewhere.

An example is a fenced block of Python. A fenced block of text right behind it is what it prints. It runs in a folder
with `base.tar` (an image of two layers, `base:1`) and `app/` (some files). A comment right before it says what else it
needs, such as `<!-- needs: registry, engine -->`:

channel
    `conda-forge` stands for a local channel with `numpy` and `pandas`.
registry
    `registry.example.org` and Docker Hub's `continuumio` stand for a real registry on this machine, which has
    `team/base:1` and `continuumio/miniconda3:latest`.
engine
    A real Docker engine.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.conda import build_docker_environment
from docker_envs.environments.conda.declarations.declaration import DEFAULT_CHANNEL
from docker_envs.transports.files.docker_archive import write_archive
from tests.images import make_image, named
from tests.packages.build import PackageSpec, text, write_channel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest

    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SERVICES = frozenset({"registry", "engine"})
NEEDS = SERVICES | {"channel"}

_BLOCK = re.compile(
    r"(?:^<!-- needs: (?P<needs>[^>]*) -->\n)?^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A Python example; `printed` is None when the page does not say what it prints."""

    page: Path
    line: int
    code: str
    needs: frozenset[str]
    printed: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def run(self, replacements: Mapping[str, str]) -> str:
        """Run it in the working directory; what it printed."""
        code = self.code
        for old, new in replacements.items():
            code = code.replace(old, new)
        printed = io.StringIO()
        # Line numbers in tracebacks are those of the page.
        program = compile("\n" * self.line + code, str(self.page), "exec")
        with redirect_stdout(printed):
            exec(program, {"__name__": "__main__"})
        return printed.getvalue()


def examples(*pages: Path) -> list[Example]:
    """All Python examples of some pages, in their order."""
    return [example for page in pages or PAGES for example in _examples(page)]


def _examples(page: Path) -> Iterator[Example]:
    content = page.read_text()
    for match in _BLOCK.finditer(content):
        needs = frozenset(need.strip() for need in (match["needs"] or "").split(",")) - {""}
        line = content.count("\n", 0, match.start("code"))
        yield Example(page, line, match["code"], needs, match["printed"])


def spans(page: Path) -> set[str]:
    """The inline code of a page."""
    return {span.strip("`") for span in _INLINE_CODE.findall(_FENCED.sub("", page.read_text()))}


def broken_links(page: Path) -> list[str]:
    """The relative links of a page that lead to no file, or to no heading of a page."""
    prose = _INLINE_CODE.sub("", _FENCED.sub("", page.read_text()))
    return [link for link in _LINK.findall(prose) if "://" not in link and not _leads_somewhere(page, link)]


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: list[str] = []
    for heading in _HEADING.findall(_FENCED.sub("", page.read_text())):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found)
        found.append(f"{slug}-{count}" if count else slug)
    return set(found)


def base(platform: Platform) -> Image:
    """The base image of the examples."""
    return make_image({"etc/base.conf": b"base\n"}, {"srv/app.txt": b"app\n"}, platform=platform)


def prepare_folder(folder: Path, platform: Platform) -> None:
    """Write the files that examples use."""
    write_archive([named(base(platform), "base:1")], folder / "base.tar")
    (folder / "app/lib").mkdir(parents=True)
    (folder / "app/run.sh").write_text("echo hello\n")
    (folder / "app/lib/libapp.a").write_text("static")


def use_channel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Write the channel that stands for `conda-forge`, also where that is the default; what to replace by what."""
    packages = [
        PackageSpec("numpy", "2.3.0", {"lib/numpy.txt": text("numpy\n")}, noarch="generic"),
        PackageSpec("pandas", "2.3.0", {"lib/pandas.txt": text("pandas\n")}, ("numpy",), noarch="generic"),
    ]
    url = write_channel(folder, packages).as_uri()
    defaults = build_docker_environment.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "channels", (url,))
    return {DEFAULT_CHANNEL: url}

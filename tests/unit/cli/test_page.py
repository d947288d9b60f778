"""The page of an image: it needs nothing, says all, and nothing in it does anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from docker_envs.cli.page import render_page
from docker_envs.records.databases import InstalledPackage
from docker_envs.records.overview import LayerOverview, Overview, Role, look_into
from docker_envs.transports.files.layout_writing import write_layout
from tests.images import named
from tests.recorded_images import numpy_image
from tests.unit.cli.runner import runner

if TYPE_CHECKING:
    from pathlib import Path

EVIL = """</script></style></title><img src=x onerror=alert(1)>"'&<!--]]>\u2028"""
OVERVIEW = look_into(numpy_image(), names=["registry.example.org/x:1"])


class Page(HTMLParser):
    """Elements with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "rect", "img"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.setdefault(self._inside[-1], []).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile() -> Overview:
    package = InstalledPackage(
        **dict.fromkeys(
            ("kind", "name", "version", "build", "architecture", "place", "license", "url", "source"), EVIL
        ),  # type: ignore[arg-type]
        depends=(EVIL,),
    )
    layer = replace(OVERVIEW.layers[0], packages=(EVIL,), created_by=EVIL)
    step = replace(OVERVIEW.history[0], created=EVIL, created_by=EVIL)
    return replace(
        OVERVIEW,
        names=(EVIL,),
        platform=EVIL,
        created=EVIL,
        config={EVIL: EVIL, "Env": [EVIL], "Labels": {EVIL: EVIL}, "Odd": {"a": 1}},
        layers=(layer, *OVERVIEW.layers[1:]),
        packages=(package, replace(package, layer=1), *OVERVIEW.packages),
        problems=(EVIL,),
        history=(step,),
        environments=(replace(OVERVIEW.environments[0], prefix=EVIL),),
    )


def test_what_it_says() -> None:
    page = Page(render_page(OVERVIEW))
    assert page.texts["title"][:1] == ["registry.example.org/x:1"]
    cells = page.texts["td"]
    assert cells[:6] == ["numpy", "1", "h_0", "conda", "2", "100 B"]
    assert len([each for each in page.of("tr") if "data-n" in each]) == 3
    names = [each["aria-label"] for each in page.of("g") if "aria-label" in each]
    assert [name.split(",")[0] for name in names if name] == [
        "layer 3: record", "python 1.3.1", "zlib 1.3.1", "numpy 1", "layer 0: base"
    ]  # fmt: skip


def test_nothing_hostile_gets_out_of_its_text() -> None:
    page = Page(render_page(hostile()))
    assert not page.of("img")
    assert page.texts["title"][:1] == [EVIL]
    tags = {tag for tag, _ in page.elements}
    assert tags <= {tag for tag, _ in Page(render_page(OVERVIEW)).elements} | {"li"}
    assert len(page.of("style")) == 1
    (facts, _) = page.texts["script"]
    assert ["needs", EVIL] in json.loads(facts)["0"]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_it_needs_nothing_else() -> None:
    text = render_page(hostile())
    page = Page(text)
    assert not [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search(r"https?://(?!www\.w3\.org)", Page(render_page(OVERVIEW)).texts["style"][0])
    assert not [attributes for _, attributes in page.elements if "style" in attributes]


@pytest.mark.parametrize("overview", [OVERVIEW, hostile()], ids=["plain", "hostile"])
def test_only_its_own_style_and_script_are_allowed(overview: Overview) -> None:
    page = Page(render_page(overview))
    policy = next(each["content"] for each in page.of("meta") if each.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for name, text in (("style", page.texts["style"][0]), ("script", page.texts["script"][-1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy


def test_size_of_a_page_of_150_packages() -> None:
    packages = tuple(
        replace(OVERVIEW.packages[0], name=f"package-{n}", layer=n % 64, size=n * 1000, url="https://x/" + "y" * 80)
        for n in range(150)
    )
    layer = OVERVIEW.layers[0]
    layers = tuple(replace(layer, size=1000 * n, role=Role.ENVIRONMENT) for n in range(64))
    text = render_page(replace(OVERVIEW, packages=packages, layers=layers))
    assert len(text.encode()) < 200_000


def test_an_image_without_layers_and_one_without_sizes() -> None:
    empty = replace(OVERVIEW, layers=(), packages=(), history=(), environments=(), base=None, unread=())
    assert Page(render_page(empty)).of("g") == []
    layer: LayerOverview = replace(OVERVIEW.layers[1], size=0)
    flat = replace(OVERVIEW, layers=(layer,), packages=(replace(OVERVIEW.packages[0], layer=0, size=None),))
    assert len(Page(render_page(flat)).of("g")) == 1


def test_the_same_image_gives_the_same_page() -> None:
    assert render_page(OVERVIEW) == render_page(look_into(numpy_image(), names=["registry.example.org/x:1"]))


def test_it_is_written_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    write_layout(tmp_path / "image", [named(numpy_image(), "localhost/x:1")])
    run = runner(monkeypatch, capfdbinary)
    page = tmp_path / "page.html"
    assert run("show", f"oci:{tmp_path}/image", "--html", page).text == f"wrote {page}\n"
    assert Page(page.read_text()).texts["title"][:1] == ["localhost/x:1"]
    done = run("show", f"oci:{tmp_path}/image", "--html", page, "--json")
    assert json.loads(done.stdout)["names"] == ["localhost/x:1"]
    done = run("show", f"oci:{tmp_path}/image", "--html", tmp_path)
    assert done.status == 4

"""`show` and `diff` of images in a real registry, and the page in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docker_envs.cli.page import render_page
from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
from tests.browser import Browser, run_browser
from tests.builds import docker_envs
from tests.packages.build import PackageSpec, text, write_channel
from tests.services import run_registry, settled_log
from tests.unit.cli.test_page import hostile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.oci.image import Image
    from tests.base_image import BaseImage
    from tests.builds import Outcome

#: Packages of one environment; two builds of the last one.
PACKAGES = (
    PackageSpec("core", "1.0", {"lib/core": text("core " * 20_000)}, index={"license": "MIT"}),
    PackageSpec("middle", "2.0", {"lib/middle": text("middle " * 8_000)}, ("core",), index={"license": "Apache-2.0"}),
    PackageSpec("leaf", "1.0", {"lib/leaf": text("leaf 1 " * 500)}, ("middle",), index={"license": "BSD-3-Clause"}),
    PackageSpec("leaf", "1.1", {"lib/leaf": text("leaf 2 " * 500)}, ("middle",), index={"license": "BSD-3-Clause"}),
)


@pytest.fixture(scope="module")
def own_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_channel(folder, PACKAGES)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with run_browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def build(tmp_path: Path, channel: Path, leaf: str, *destination: str | Path, base: str = "scratch") -> Outcome:
    arguments = ["build", "--platform", "linux/amd64", "-b", base, "-c", channel.as_uri(), f"leaf={leaf}", *destination]
    done = docker_envs(*arguments, "--force", "--json", cache=tmp_path / "cache")
    assert done.status == 0, done.stderr
    return done


def written(log: str, start: int) -> dict[str, int]:
    """The bytes of all answers of a registry since a place in its log, by the last part of the path."""
    found: dict[str, int] = {}
    for line in log[start:].splitlines():
        uri = re.search(r'http\.request\.uri="?(/v2/[^"\s]+)', line)
        size = re.search(r"http\.response\.written=(\d+)", line)
        if uri and size and "response completed" in line:
            key = uri[1].partition("?")[0].rpartition("/")[2]
            found[key] = found.get(key, 0) + int(size[1])
    return found


def test_show_reads_documents_and_the_record_only(tmp_path: Path, own_channel: Path, base_image: BaseImage) -> None:
    with run_registry(tmp_path) as address:
        name = f"{address}/show:1"
        build(tmp_path, own_channel, "1.0", "--push", name, base=base_image.oci)
        image: Image = RegistryClient().image(Reference.parse(name))
        log = tmp_path / "log"
        start = len(settled_log(log))
        document = docker_envs("show", name, "--json", cache=tmp_path / "cache").document
        fetched = written(settled_log(log), start)
        record = image.layers[-1]
        expected = {
            "1": len(image.manifest.raw),
            image.config.digest: len(image.config.raw),
            record.digest: record.size,
        }
        assert {key: size for key, size in fetched.items() if key} == {str(key): size for key, size in expected.items()}
    assert [(each["name"], each["version"]) for each in document["packages"]] == [
        ("core", "1.0"), ("leaf", "1.0"), ("middle", "2.0")
    ]  # fmt: skip
    layers = {each["name"]: document["layers"][each["layer"]] for each in document["packages"]}
    assert {name: layer["packages"] for name, layer in layers.items()} == {name: [name] for name in layers}
    assert document["layers"][0]["role"] == "base"
    assert document["unread"] == list(range(len(document["layers"]) - 4))
    assert document["base"]["digest"]


def test_an_updated_leaf_is_all_that_differs(tmp_path: Path, own_channel: Path, registry: str) -> None:
    names = [f"{registry}/leaf:{version}" for version in ("1.0", "1.1")]
    for name in names:
        build(tmp_path, own_channel, name.rpartition(":")[2], "--push", name)
    old, new = (RegistryClient().image(Reference.parse(name)) for name in names)
    done = docker_envs("diff", *names, "--files", cache=tmp_path / "cache")
    assert done.status == 1, done.stderr
    lines = [line for line in done.stdout.splitlines() if line[0] in "~+-" and not line.startswith(("---", "+++"))]
    changes, layers = [line for line in lines if "layer" not in line], [line for line in lines if "layer" in line]
    assert changes == [
        "~ leaf  1.0  →  1.1",
        "- /opt/conda/conda-meta/leaf-1.0-0.json",
        "+ /opt/conda/conda-meta/leaf-1.1-0.json",
        "~ /opt/conda/lib/leaf (content)",
        "~ /opt/conda/share/docker-envs/environment.json (content)",
    ]
    assert [line.split()[-1] for line in layers] == ["leaf", "(record)", "leaf", "(record)"]
    document = docker_envs("diff", *names, "--json", cache=tmp_path / "cache")
    assert document.status == 1
    sent = {
        layer.digest: layer.size for layer in new.layers if layer.digest not in {each.digest for each in old.layers}
    }
    assert f'"pull": {{\n    "layers": 2,\n    "size": {sum(sent.values())}\n  }}' in document.stdout
    assert docker_envs("diff", names[0], names[0], cache=tmp_path / "cache").status == 0
    assert docker_envs("diff", names[0], f"{registry}/leaf:missing", cache=tmp_path / "cache").status == 4


def test_images_of_others_in_the_same_registry(tmp_path: Path, base_image: BaseImage) -> None:
    document = docker_envs("show", base_image.oci, "--json", cache=tmp_path / "cache").document
    assert document["environments"] == []
    assert document["unread"] == []
    assert {layer["role"] for layer in document["layers"]} == {"other"}


def visible(browser: Browser) -> list[str]:
    found: list[str] = browser.value(
        "[...document.querySelectorAll('#packages tbody tr:not([hidden])')].map(row => row.cells[0].textContent)"
    )
    return found


def test_the_page_in_a_browser(tmp_path: Path, own_channel: Path, browser: Browser) -> None:
    build(tmp_path, own_channel, "1.0", "-o", tmp_path / "image.tar")
    page = tmp_path / "page.html"
    done = docker_envs("show", tmp_path / "image.tar", "--html", page, cache=tmp_path / "cache")
    assert done.status == 0, done.stderr
    document = docker_envs("show", tmp_path / "image.tar", "--json", cache=tmp_path / "cache").document
    by_size = [each["name"] for each in sorted(document["packages"], key=lambda each: each["size"])]
    browser.events.clear()
    browser.open(page)
    assert visible(browser) == ["core", "leaf", "middle"]
    assert browser.value("document.querySelector('#count').textContent") == "3 of 3"
    assert browser.value("document.querySelector('#detail').hidden")

    browser.click("#search")
    browser.type("Apache")
    assert visible(browser) == ["middle"]
    assert browser.value("document.querySelector('#count').textContent") == "1 of 3"
    faded = "[...document.querySelectorAll('.cell.off title')].map(title => title.textContent.split(' ')[0])"
    assert set(browser.value(faded)) >= {"core", "leaf"}
    assert "middle" not in browser.value(faded)
    browser.press("Escape")
    assert len(visible(browser)) == 3

    browser.click(".cell[aria-label^='core']")
    assert browser.value("document.querySelector('tr.on').cells[0].textContent") == "core"
    assert "core-1.0-0.conda" in browser.value("document.querySelector('#detail').textContent")
    assert browser.value("document.querySelector('tr.on').getAttribute('aria-selected')") == "true"

    browser.click("#packages th:nth-child(6) button")
    assert visible(browser) == by_size[::-1]
    assert browser.value("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "descending"
    browser.click("#packages th:nth-child(6) button")
    assert visible(browser) == by_size

    browser.click(".cell.plain")
    assert browser.value("document.querySelector('#search').value") == "layer:3"
    assert visible(browser) == []
    assert_undisturbed(browser, page)


def test_the_page_without_a_mouse(tmp_path: Path, own_channel: Path, browser: Browser) -> None:
    build(tmp_path, own_channel, "1.0", "-o", tmp_path / "image.tar")
    page = tmp_path / "page.html"
    docker_envs("show", tmp_path / "image.tar", "--html", page, cache=tmp_path / "cache")
    browser.events.clear()
    browser.open(page)
    focus = "(here => here.getAttribute('aria-label') || here.id || here.tagName)(document.activeElement)"
    browser.press("Tab")
    first = browser.value(focus)
    browser.press("ArrowRight")
    second = browser.value(focus)
    assert {first.split()[0], second.split()[0]} <= {"core", "middle", "leaf", "layer"}
    assert first != second
    browser.press("Home")
    assert browser.value(focus) == first
    browser.press("Enter")
    assert browser.value("document.querySelector('tr.on').cells[0].textContent") == first.split()[0]
    browser.press("Tab")
    assert browser.value(focus) == "search"
    for _ in range(8):
        browser.press("Tab")
    assert browser.value("document.activeElement.tagName") == "TR"
    browser.press("ArrowDown")
    browser.press("Enter")
    assert browser.value("document.querySelector('tr.on').cells[0].textContent") == visible(browser)[1]
    colours = []
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        colours.append(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(21, 23, 26)"]
    assert_undisturbed(browser, page)


def test_hostile_texts_stay_texts_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    page = tmp_path / "page.html"
    page.write_text(render_page(hostile()))
    browser.events.clear()
    browser.open(page)
    browser.click("#packages tbody tr")
    assert "onerror=alert(1)" in browser.value("document.querySelector('#detail').textContent")
    assert browser.value("document.images.length") == 0
    assert_undisturbed(browser, page)


def assert_undisturbed(browser: Browser, page: Path) -> None:
    """Nothing was loaded but the page, nothing failed, and no policy was broken."""
    requests = {each["request"]["url"] for each in browser.events.get("Network.requestWillBeSent", [])}
    assert requests == {page.as_uri()}
    assert "Runtime.exceptionThrown" not in browser.events
    assert "Page.javascriptDialogOpening" not in browser.events
    assert browser.events.get("Log.entryAdded", []) == []

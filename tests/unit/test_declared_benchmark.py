"""What the benchmark of packages from PyPI and Debian is made of: the mirror, the project's states, the targets."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from benchmarks.building.results import COLD, Results, Sample
from benchmarks.building.ways import OURS
from benchmarks.declaring.comparing import PROGRAM, REQUIREMENT, outcomes, tables
from benchmarks.declaring.debian_ways import MMDEBSTRAP
from benchmarks.declaring.mirror import Mirror, run_mirror
from benchmarks.declaring.requirement_ways import PIP
from benchmarks.declaring.requirements import QUICK_REQUIREMENTS, REQUIREMENTS, Project

from tests.packages.wheel import write_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

JSON = "application/vnd.pypi.simple.v1+json"


class Upstream(SimpleHTTPRequestHandler):
    """Files of a folder; pages of the package index are JSON."""

    def guess_type(self, path: object) -> str:
        return JSON if str(path).endswith(".html") else "application/octet-stream"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        pass


@pytest.fixture
def network(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """A server that stands for the network; of the folder `network`."""
    (folder := tmp_path / "network").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Upstream, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with run_mirror(tmp_path / "mirror", tmp_path / "mirror.log") as found:
        yield found


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Message
    content: bytes


def fetch(url: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(urllib.request.Request(url, headers=named), timeout=10) as answer:
        return Answer(answer.status, answer.headers, answer.read())


def test_pages_come_from_the_network_once(mirror: Mirror, network: ThreadingHTTPServer, tmp_path: Path) -> None:
    page = tmp_path / "network/a+b.deb"
    page.write_bytes(b"first")
    url = mirror.url(f"http://127.0.0.1:{network.server_port}/a+b.deb")
    answer = fetch(url)
    page.write_bytes(b"second")
    assert fetch(url.replace("+", "%2b")).content == answer.content == b"first"
    assert mirror.count() == 1
    assert fetch(url, If_None_Match="other").status == 200
    with pytest.raises(urllib.error.HTTPError, match="304"):
        fetch(url, If_Modified_Since=answer.headers["Last-Modified"])
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(url + "x")
    assert mirror.count() == 2


def test_what_is_local_is_served_as_it_is(mirror: Mirror) -> None:
    (mirror.local / "a+b").write_bytes(b"1")
    assert fetch(f"{mirror.local_url}/a%2bb").content == b"1"
    (mirror.local / "a+b").write_bytes(b"2")
    assert fetch(f"{mirror.local_url}/a+b").content == b"2"
    assert mirror.count() == 0
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(f"{mirror.local_url}/c")


def test_pages_of_an_index_lead_to_the_mirror(mirror: Mirror, network: ThreadingHTTPServer, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "network", {"demo.py": b""})
    (folder := tmp_path / "network/simple/demo").mkdir(parents=True)
    upstream = f"http://127.0.0.1:{network.server_port}"
    files = [{"filename": name, "url": f"{upstream}/{name}"} for name in (wheel.name, "demo-1.0.tar.gz")]
    (folder / "index.html").write_text(json.dumps({"files": files}))
    page = fetch(mirror.url(f"{upstream}/simple/demo/"), Accept=JSON)
    found, source = json.loads(page.content)["files"]
    assert found["url"] == f"/http/127.0.0.1:{network.server_port}/{wheel.name}"
    assert (found["core-metadata"], source.get("core-metadata")) == (True, None)
    assert page.headers["Cache-Control"] == "max-age=600, public"
    metadata = fetch(f"{mirror.address}{found['url']}.metadata")
    assert b"Name: demo\n" in metadata.content
    assert fetch(mirror.address + found["url"]).content == wheel.read_bytes()


@pytest.mark.parametrize("requirements", [REQUIREMENTS, QUICK_REQUIREMENTS], ids=["all", "quick"])
def test_states_of_the_project_differ_in_one_thing(requirements: tuple[str, ...], tmp_path: Path) -> None:
    project = Project.of("name", requirements)
    assert project.before.requirements == project.changed.requirements
    assert project.before.program != project.changed.program == project.updated.program
    before, after = (set(state.requirements.split()) for state in (project.changed, project.updated))
    (gone,), (new,) = before - after, after - before
    assert gone.partition("==")[0] == new.partition("==")[0]
    project.updated.write(tmp_path)
    assert set((tmp_path / "requirements.txt").read_text().split()) == after


def test_targets_and_tables_are_those_that_were_measured() -> None:
    results = Results()
    for scenario, environment, way, seconds in (
        (COLD, "requirements", OURS, 2),
        (COLD, "requirements", PIP, 16),
        (REQUIREMENT, "requirements", OURS, 1),
        (REQUIREMENT, "requirements", PIP, 49),
        (PROGRAM, "requirements", OURS, 1),
        (COLD, "tar", OURS, 2),
        (COLD, "tar", MMDEBSTRAP, 10),
    ):
        results.add(scenario, environment, way, 2, Sample(seconds, seconds, 1, 1, 1, 0))
    assert [(each.job, each.figure, each.met) for each in outcomes(results)] == [
        ("cold, requirements", "8.0 x", True),
        ("one requirement updated, requirements", "49.0 x", False),
        ("cold, tar", "5.0 x", True),
    ]
    assert {environment for environment, _ in tables(results)} == {"requirements", "tar"}

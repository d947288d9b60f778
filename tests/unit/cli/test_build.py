"""`docker-envs build` from end to end on the fixture channel, as a process of its own, without any service."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.records.record import RECORD_PATH
from docker_envs.transports.files.layout import read_layout
from docker_envs.validate import validate_image
from tests.builds import PATIENCE, docker_envs, environment, read_image_file
from tests.images import flattened
from tests.packages.build import write_environment
from tests.simulators.http_server import Answer, HttpSimulator, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.builds import Outcome

BUILD = ("build", "--base", "scratch", "--platform", "linux/amd64")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def specs(channel: Path) -> tuple[str, ...]:
    return ("--channel", channel.as_uri(), "hello-sh")


def build(cache: Path, *arguments: str | Path, **options: object) -> Outcome:
    return docker_envs(*BUILD, *arguments, cache=cache, **options)  # type: ignore[arg-type]


def test_what_is_printed(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    done = build(cache, *specs, "-o", "image.tar", "-i", "hello:1", cwd=tmp_path)
    assert done.status == 0
    image = read_image_file(tmp_path / "image.tar")
    digest, summary, wrote = done.stdout.splitlines()
    assert digest == image.digest
    assert summary.startswith("linux/amd64, 3 layers (")
    assert ", 3 of them from 2 packages (" in summary
    assert wrote == "wrote image.tar (hello:1)"
    verbs = [line.split()[0] for line in done.stderr.splitlines()]
    assert sorted(verbs) == ["build", "build", "read", "solve", "write"]
    assert "\x1b" not in done.stderr + done.stdout
    assert "build    hello-sh-1.0-0 (" in done.stderr


def test_layers_come_from_the_store_the_second_time(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    build(cache, *specs, "-o", tmp_path / "one.tar")
    done = build(cache, *specs, "-o", tmp_path / "two.tar")
    assert "build" not in done.stderr
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_quiet(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    done = build(cache, *specs, "-o", tmp_path / "image.tar", "--quiet")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == f"{read_image_file(tmp_path / 'image.tar').digest}\n"


def test_warnings_are_printed_even_if_quiet(cache: Path, tmp_path: Path, channel: Path) -> None:
    arguments = ("-c", channel.as_uri(), "post-link", "clobber-file-a", "clobber-file-b")
    done = build(cache, *arguments, "-o", tmp_path / "image.tar", "-q")
    assert sorted(done.stderr.splitlines()) == [
        "warning: `bin/.post-link-post-link.sh` of `post-link` is not run (needs attention): what it does is not known",
        "warning: `share/clobber/file.txt` of `clobber-file-a` takes the place of what is there in `clobber-file-b`",
    ]


def test_json(cache: Path, tmp_path: Path, channel: Path) -> None:
    arguments = ("-c", channel.as_uri(), "post-link", "clobber-file-a", "clobber-file-b", "-i", "a:1", "-i", "b")
    document = build(cache, *arguments, "-o", "image.tar", "--oci", "layout", "--json", cwd=tmp_path).document
    image = read_image_file(tmp_path / "image.tar")
    seconds = document.pop("seconds")
    assert isinstance(seconds, float)
    assert seconds > 0
    layers = document.pop("layers")
    assert [(layer["digest"], layer["diff_id"], layer["size"]) for layer in layers] == [
        (layer.digest, layer.diff_id, layer.size) for layer in image.layers
    ]
    assert layers[-1]["packages"] is None
    assert sorted(name for layer in layers[:-1] for name in layer["packages"]) == [
        "clobber-file-a-1.0-0",
        "clobber-file-b-1.0-0",
        "post-link-1.0-0",
    ]
    assert [(finding["kind"], finding["package"]) for finding in document.pop("findings")] == [
        ("clobber", "clobber-file-a"),
        ("link-script", "post-link"),
    ]
    assert document == {
        "digest": image.digest,
        "image_id": image.config.digest,
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "platform": "linux/amd64",
        "size": sum(layer.size for layer in image.layers),
        "base": None,
        "destinations": {
            "names": ["docker.io/library/a:1", "docker.io/library/b:latest"],
            "archive": "image.tar",
            "layout": "layout",
            "pushed": [],
            "loaded": False,
        },
        "clobbers": [{"path": "share/clobber/file.txt", "winner": "clobber-file-a", "losers": ["clobber-file-b"]}],
        "link_scripts": {"post-link": ["bin/.post-link-post-link.sh"]},
        "filters": {},
        "activation": {"variables": {}, "removed": [], "unresolved": []},
    }


def test_json_has_the_documented_fields(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    text = (Path(__file__).parents[3] / "docs/commands.md").read_text()
    section = text.partition("\n## `docker-envs build")[2]
    documented = json.loads(section.partition("```json\n")[2].partition("```")[0])
    document = build(cache, *specs, "-o", tmp_path / "image.tar", "--json").document
    assert list(document) == list(documented)
    assert document["layers"][0].keys() == documented["layers"][0].keys()
    assert document["destinations"].keys() == documented["destinations"].keys()


def test_dry_run_makes_nothing(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    done = build(cache, *specs, "-o", tmp_path / "image.tar", "--dry-run")
    assert done.status == 0
    first, *rest = done.stdout.splitlines()
    assert first == "  0  base layers (0 B)"
    assert [line.split()[-1] for line in rest] == ["greeting-1.2-h1234567_3", "hello-sh-1.0-0"]
    assert not (tmp_path / "image.tar").exists()
    assert not (cache / "layers").exists()


def test_dry_run_as_json(cache: Path, specs: tuple[str, ...]) -> None:
    document = build(cache, *specs, "--dry-run", "--json").document
    assert [layer["packages"] for layer in document["layers"]] == [["greeting-1.2-h1234567_3"], ["hello-sh-1.0-0"]]
    assert all(layer["key"].startswith("sha256:") and layer["package_bytes"] > 0 for layer in document["layers"])
    assert document["base_layers"] == document["clobbers"] == []


def test_settings_of_the_container(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    settings = ("--entrypoint", "hello --loud", "--cmd", '["a b"]', "--user", "1:2", "--workdir", "/w", "-e", "A=1")
    build(cache, *specs, *settings, "-l", "x=y", "--prefix", "/p", "-o", tmp_path / "image.tar")
    container = read_image_file(tmp_path / "image.tar").config.container
    labels = container.pop("Labels")
    assert labels["x"] == "y"
    assert container == {
        "Entrypoint": ["hello", "--loud"],
        "Cmd": ["a b"],
        "User": "1:2",
        "WorkingDir": "/w",
        "Env": [
            "PATH=/p/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "CONDA_PREFIX=/p",
            "A=1",
        ],
    }


def test_compressions_and_levels_give_the_same_tree(cache: Path, tmp_path: Path, channel: Path) -> None:
    trees, digests = [], set()
    for setting in ("gzip", "gzip:9", "zstd", "none"):
        path = tmp_path / f"{setting}.tar"
        assert build(cache, "-c", channel.as_uri(), "noise", "--compression", setting, "-o", path).status == 0
        image = read_image_file(path)
        trees.append({path: content for path, content in flattened(image).items() if RECORD_PATH not in path})
        digests.add(image.digest)
    assert all(tree == trees[0] for tree in trees)
    assert len(digests) == 4


def test_the_environment_file_of_the_working_directory_is_used(cache: Path, tmp_path: Path, channel: Path) -> None:
    write_environment(tmp_path / "environment.yml", channel, "greeting")
    done = build(cache, "-o", "image.tar", "--json", cwd=tmp_path)
    assert [layer["packages"] for layer in done.package_layers] == [["greeting-1.2-h1234567_3"]]
    assert "note:" not in done.stderr
    assert (
        docker_envs(*BUILD, "-f", "environment.yml", "-o", "b.tar", "-q", cache=cache, cwd=tmp_path).stdout.strip()
        == done.digest
    )


def test_specs_are_added_to_those_of_a_file(cache: Path, tmp_path: Path, channel: Path) -> None:
    path = write_environment(tmp_path / "env.yml", channel, "greeting")
    done = build(cache, "-f", path, "links", "-o", tmp_path / "image.tar", "--json")
    assert sorted(layer["packages"][0] for layer in done.package_layers) == ["greeting-1.2-h1234567_3", "links-1.0-0"]


def test_without_specs_the_image_is_the_base_and_a_note_says_so(cache: Path, tmp_path: Path) -> None:
    done = build(cache, "-o", tmp_path / "image.tar")
    assert done.status == 0
    assert (
        "note: no packages are named, and there is no `environment.yml` here, so the image is the base as it is\n"
        in done.stderr
    )
    assert read_image_file(tmp_path / "image.tar").layers == ()


@pytest.mark.parametrize(
    ("epoch", "created"),
    [(None, "2023-11-14T22:13:20Z"), ("0", "1970-01-01T00:00:00Z"), ("86400", "1970-01-02T00:00:00Z")],
)
def test_the_time_of_creation(
    cache: Path, tmp_path: Path, specs: tuple[str, ...], epoch: str | None, created: str
) -> None:
    """By default, that of the newest package."""
    variables = {} if epoch is None else {"SOURCE_DATE_EPOCH": epoch}
    assert build(cache, *specs, "-o", tmp_path / "image.tar", variables=variables).status == 0
    image = read_image_file(tmp_path / "image.tar")
    assert image.config.document["created"] == created
    assert {entry["created"] for entry in image.config.history} == {created}
    assert image.annotations["org.opencontainers.image.created"] == created


def test_an_epoch_changes_no_layer(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    one = build(cache, *specs, "-o", tmp_path / "1.tar", "--json").document
    two = build(cache, *specs, "-o", tmp_path / "2.tar", "--json", variables={"SOURCE_DATE_EPOCH": "1"}).document
    assert one["layers"] == two["layers"]
    assert one["digest"] != two["digest"]


def test_variables_of_a_declaration_are_in_the_image(cache: Path, tmp_path: Path, channel: Path) -> None:
    path = tmp_path / "env.yml"
    path.write_text(f"channels: ['{channel.as_uri()}']\ndependencies: [greeting]\nvariables: {{A: yes, B: 'x y'}}\n")
    build(cache, "-f", path, "-e", "B=mine", "-o", tmp_path / "image.tar")
    env = read_image_file(tmp_path / "image.tar").config.env
    assert (env["A"], env["B"], env["CONDA_PREFIX"]) == ("yes", "mine", "/opt/conda")


def test_a_layout(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    done = build(cache, *specs, "--oci", tmp_path / "layout", "-i", "hello:1", "--json")
    (named,) = read_layout(tmp_path / "layout")
    validate_image(named.image)
    assert named.image.digest == done.digest


def test_the_console_script_is_the_same_program(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    program = "import sys; from docker_envs.cli import main; sys.argv[0] = 'docker-envs'; main()"
    command = [sys.executable, "-c", program, *BUILD, *specs, "-o", str(tmp_path / "b.tar"), "-q"]
    script = subprocess.run(command, env=environment(cache), capture_output=True, text=True, check=True)
    assert script.stdout == build(cache, *specs, "-o", tmp_path / "a.tar", "-q").stdout


def run_on_terminal(command: list[str], env: dict[str, str]) -> tuple[int, str]:
    """Exit status, and what a terminal shows of stderr."""
    parent, child = pty.openpty()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=child, stdin=subprocess.DEVNULL)
    os.close(child)
    shown = b""
    try:
        while select.select([parent], [], [], PATIENCE)[0]:
            try:
                chunk = os.read(parent, 1 << 16)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
    finally:
        os.close(parent)
    return process.wait(PATIENCE), shown.decode()


def test_bars_on_a_terminal(cache: Path, tmp_path: Path, channel: Path) -> None:
    arguments = [*BUILD, "-c", channel.as_uri(), "noise", "hello-sh", "-o", str(tmp_path / "image.tar")]
    env = environment(cache, TERM="xterm-256color", COLUMNS="120")
    status, shown = run_on_terminal([sys.executable, "-m", "docker_envs", *arguments], env)
    assert status == 0
    assert "\x1b[?25l" in shown
    assert "\x1b[?25h" in shown
    assert "━" in shown
    assert "build    noise-1.0-0 (" not in shown


def test_a_reader_that_goes_away_is_no_news(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    command = f"'{sys.executable}' -m docker_envs {' '.join(BUILD)} -c '{specs[1]}' hello-sh -o image.tar | true"
    done = subprocess.run(command, shell=True, env=environment(cache), cwd=tmp_path, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    read_image_file(tmp_path / "image.tar")


SECRETS = ("hunter2", "TOKEN")


@pytest.fixture
def private_channel(channel: Path) -> Iterator[str]:
    """The URL of the fixture channel behind a password and a token."""

    def answer(request: Request) -> Answer:
        if request.authorization != "Basic dXNlcjpodW50ZXIy" or not request.path.startswith("/t/TOKEN/ch/"):
            return Answer(401)
        path = channel / request.path.removeprefix("/t/TOKEN/ch/")
        return Answer(200, path.read_bytes()) if path.is_file() else Answer(404)

    simulator = HttpSimulator(answer)
    with simulator.running():
        yield f"http://user:hunter2@{simulator.address}/t/TOKEN/ch"


def test_credentials_of_a_channel_are_never_written_down(cache: Path, tmp_path: Path, private_channel: str) -> None:
    """Neither in the output, nor in the image, nor in the layer store or names of files in the cache."""
    (tmp_path / "env.yml").write_text(f"channels: ['{private_channel}']\ndependencies: [hello-sh, links]\n")
    for arguments in (("--json",), (), ("--dry-run",), ("--dry-run", "--json")):
        done = build(cache, "-f", "env.yml", "-o", "image.tar", *arguments, cwd=tmp_path)
        assert done.status == 0, done.stderr
        assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    image = read_image_file(tmp_path / "image.tar")
    contents = {**flattened(image), "manifest": image.manifest.raw, "config": image.config.raw}
    assert "opt/conda/conda-meta/links-1.0-0.json" in contents
    assert not [path for path, content in contents.items() for secret in SECRETS if secret.encode() in content]
    kept = [path for folder in ("packages", "layers") for path in (cache / folder).rglob("*")]
    assert len(kept) > 6
    assert not [path for path in kept for secret in SECRETS if secret in str(path)]
    assert not [p for p in kept if p.is_file() for secret in SECRETS if secret.encode() in p.read_bytes()]


def test_credentials_are_not_in_messages(cache: Path, tmp_path: Path, private_channel: str) -> None:
    wrong = private_channel.replace("user:", "other:")
    done = build(cache, "-c", wrong, "hello-sh", "-o", tmp_path / "image.tar")
    assert done.status == 4
    assert "401" in done.stderr
    assert not [secret for secret in SECRETS if secret in done.stderr.replace("<TOKEN>", "")]


def test_a_local_and_a_remote_channel_differ_only_in_the_records(
    cache: Path, tmp_path: Path, channel: Path, private_channel: str
) -> None:
    trees = []
    for number, url in enumerate((channel.as_uri(), private_channel)):
        build(cache, "-c", url, "hello-sh", "-o", tmp_path / f"{number}.tar")
        trees.append(flattened(read_image_file(tmp_path / f"{number}.tar")))
    differing = {path for path in trees[0] if trees[0][path] != trees[1][path]}
    assert trees[0].keys() == trees[1].keys()
    assert {Path(path).parent.name for path in differing} == {"conda-meta", "docker-envs"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_a_channel_does_not_answer(cache: Path, tmp_path: Path, number: signal.Signals) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_: Request) -> Answer:
        asked.set()
        over.wait(PATIENCE)
        return Answer(404)

    silent = HttpSimulator(hang)
    with silent.running():
        command = [*BUILD, "-c", silent.url, "a", "-o", str(tmp_path / "image.tar")]
        process = subprocess.Popen(
            [sys.executable, "-m", "docker_envs", *command], env=environment(cache), stderr=subprocess.PIPE, text=True
        )
        try:
            assert asked.wait(60)
            process.send_signal(number)
            _, stderr = process.communicate(timeout=20)
        finally:
            over.set()
            process.kill()
            process.wait()
    assert process.returncode == 130
    assert stderr == "interrupted; nothing half-made was left behind\n"
    assert not (tmp_path / "image.tar").exists()

"""Options that decide what is in a build, from end to end on small channels, without any service."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.whiteout import iter_flattened
from docker_envs.records.record import RECORD_PATH
from tests.builds import AMD64, build_archive, docker_envs, read_image_file
from tests.declared import write_declarations
from tests.images import flattened
from tests.packages.build import PackageSpec, text, write_channel
from tests.simulators.channel import ChannelSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.oci.image import Image
    from tests.builds import Outcome

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
TAG = str(sys.implementation.cache_tag)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(cache: Path, *arguments: str | Path, **options: Any) -> Outcome:
    return docker_envs("build", "--base", "scratch", "--platform", AMD64, *arguments, cache=cache, **options)


def modes(image: Image) -> dict[str, int]:
    openers = [layer.open_tar for layer in image.layers]
    return {entry.path: entry.mode for entry in iter_flattened(openers, source="test")}


def test_strict_stops_at_scripts_that_matter(cache: Path, tmp_path: Path, channel: Path) -> None:
    arguments = ("-c", channel.as_uri(), "post-link", "-o", tmp_path / "a.tar")
    done = build(cache, *arguments, "--strict", "--quiet")
    assert done.status == 6
    assert done.stderr == (
        "error: scripts that an installer would run are not run here: `bin/.post-link-post-link.sh` of `post-link`\n"
        "hint: build without `--strict`\n"
    )
    assert not (tmp_path / "a.tar").exists()
    assert build(cache, *arguments, "--strict", "--dry-run").status == 6
    done = build(cache, *arguments)
    assert done.status == 0
    assert "warning: `bin/.post-link-post-link.sh` of `post-link` is not run (needs attention)" in done.stderr


def test_strict_lets_harmless_scripts_be(cache: Path, tmp_path: Path) -> None:
    script = text("#!/bin/sh\necho thanks >> $PREFIX/.messages.txt\n", 0o755)
    packages = [PackageSpec("mkl", files={"bin/.mkl-post-link.sh": script})]
    channel = write_channel(tmp_path / "channel", packages)
    done = build(cache, "-c", channel.as_uri(), "mkl", "--strict", "-o", tmp_path / "a.tar", "--json")
    assert done.document["link_scripts"] == {"mkl": ["bin/.mkl-post-link.sh"]}
    assert "warning" not in done.stderr


@pytest.fixture
def tested(tmp_path: Path) -> Path:
    """A channel whose package has documentation and tests."""
    site = f"lib/python{MINOR}/site-packages/tested"
    files = {
        "share/doc/tested/manual.txt": text("long\n" * 20),
        "share/doc/tested/LICENSE": text("free\n"),
        f"{site}/__init__.py": text("X = 1\n"),
        f"{site}/tests/test_x.py": text("assert True\n"),
        f"{site}/tests/data.txt": text("data\n"),
    }
    return write_channel(tmp_path / "tested", [PackageSpec("tested", files=files)])


def test_what_filters_leave_out_is_nowhere(cache: Path, tmp_path: Path, tested: Path) -> None:
    output = tmp_path / "a.tar"
    document = build(cache, "-c", tested.as_uri(), "tested", "--filter", "docs,tests", "-o", output, "--json").document
    assert document["filters"] == {
        "docs": {"files": 1, "bytes": 100},
        "tests": {"files": 2, "bytes": len("assert True\ndata\n")},
    }
    tree = flattened(read_image_file(output))
    record = json.loads(tree["opt/conda/conda-meta/tested-1.0-0.json"])
    kept = {f"lib/python{MINOR}/site-packages/tested/__init__.py", "share/doc/tested/LICENSE"}
    assert {path.removeprefix("opt/conda/") for path in tree if "conda-meta" not in path} == {
        *kept,
        RECORD_PATH,
    }
    assert set(record["files"]) == {entry["_path"] for entry in record["paths_data"]["paths"]} == kept
    printed = build(cache, "-c", tested.as_uri(), "tested", "--filter", "docs", "--filter", "tests", "-o", output)
    assert "filter docs left out 1 file (100 B)\nfilter tests left out 2 files (17 B)\n" in printed.stdout


def test_an_unknown_filter(cache: Path) -> None:
    done = build(cache, "x", "--filter", "docs,tset", "--dry-run")
    assert done.status == 2
    assert done.stderr.startswith("error: unknown filter 'tset'\nhint: filters are docs, ")


@pytest.fixture
def pythons(tmp_path: Path) -> Path:
    """A channel of a Python as old as the running one, one that nobody has, and a module for any."""
    module = {
        "site-packages/moduled/__init__.py": text("NAMES = {'red', 'green'}\n\ndef f(x):\n    return x in NAMES\n"),
        "site-packages/moduled/broken.py": text("def f(:\n"),
    }
    return write_channel(
        tmp_path / "pythons",
        [
            PackageSpec("python", f"{MINOR}.0", {f"bin/python{MINOR}": text("#!/bin/sh\n", 0o755)}, build="0_cpython"),
            PackageSpec("python", "3.99.0", {"bin/python3.99": text("#!/bin/sh\n", 0o755)}, build="0_cpython"),
            PackageSpec("moduled", files=module, depends=("python",), noarch="python"),
        ],
    )


@pytest.mark.parametrize("policy", ["always", "auto"])
def test_bytecode_that_the_real_interpreter_takes(cache: Path, tmp_path: Path, pythons: Path, policy: str) -> None:
    output, python = tmp_path / "a.tar", f"python={MINOR}"
    done = build(cache, "-c", pythons.as_uri(), "moduled", python, "--compile", policy, "-o", output, "--json")
    tree = flattened(read_image_file(output))
    folder = f"opt/conda/lib/python{MINOR}/site-packages/moduled"
    (path,) = [path for path in tree if path.endswith(".pyc")]
    assert path == f"{folder}/__pycache__/__init__.{TAG}.pyc"
    content = tree[path]
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert content[4:8] == b"\1\0\0\0"
    assert content[8:16] == importlib.util.source_hash(tree[f"{folder}/__init__.py"])
    names: dict[str, Any] = {}
    exec(marshal.loads(content[16:]), names)
    assert names["f"]("green")
    assert f"/{path.replace('__pycache__/__init__.' + TAG + '.pyc', '__init__.py')}" in str(
        names["f"].__code__.co_filename
    )
    (finding,) = done.document["findings"]
    assert (finding["kind"], finding["path"]) == ("not-compiled", folder.removeprefix("opt/conda/") + "/broken.py")


def test_bytecode_of_a_python_that_is_not_here(cache: Path, tmp_path: Path, pythons: Path) -> None:
    arguments = ("-c", pythons.as_uri(), "moduled", "python=3.99", "-o", tmp_path / "a.tar", "--json")
    done = build(cache, *arguments, "--compile", "always")
    assert done.status == 6
    assert "error: no `python3.99` is found here, which is needed to compile bytecode\n" in done.stderr
    assert "hint: put `python3.99` on the `PATH`, or use `--compile auto`\n" in done.stderr
    digests = {build(cache, *arguments, "--compile", policy).digest for policy in ("auto", "never")}
    assert len(digests) == 1


def test_set_user_id_bits(cache: Path, tmp_path: Path, channel: Path) -> None:
    arguments = ("-c", channel.as_uri(), "modes", "-o")
    dropped = build(cache, *arguments, tmp_path / "dropped.tar", "--json")
    kept = build(cache, *arguments, tmp_path / "kept.tar", "--json", "--keep-setuid")
    found = [modes(read_image_file(tmp_path / name))["opt/conda/bin/setuid"] for name in ("dropped.tar", "kept.tar")]
    assert found == [0o755, 0o4755]
    assert [(each["kind"], each["path"]) for each in dropped.document["findings"]] == [("setuid-dropped", "bin/setuid")]
    assert kept.document["findings"] == []


def test_findings_are_those_of_the_first_build_when_layers_are_kept(
    cache: Path, tmp_path: Path, channel: Path, pythons: Path
) -> None:
    """Also for one that shares only some of its layers."""
    specs = ("modes", "links", "post-link", "clobber-file-a", "clobber-file-b")
    arguments = ("-c", channel.as_uri(), *specs, "-o", tmp_path / "a.tar")
    first, second = build(cache, *arguments, "--json"), build(cache, *arguments, "--json")
    kinds = {finding["kind"] for finding in first.document["findings"]}
    assert kinds == {"clobber", "link-script", "outside-link", "setuid-dropped"}
    assert second.document["findings"] == first.document["findings"]
    assert "build " in first.stderr
    assert "build " not in second.stderr
    warnings = [[line for line in each.stderr.splitlines() if line.startswith("warning:")] for each in (first, second)]
    assert warnings[0] == warnings[1] != []
    assert build(cache, *arguments[:4], "-o", tmp_path / "b.tar", "--json").document["findings"] == [
        finding for finding in first.document["findings"] if finding["package"] in specs[:2]
    ]


@pytest.fixture
def served(channel: Path) -> Iterator[str]:
    """The channel's URL on a server."""
    simulator = ChannelSimulator(channel)
    with simulator.running():
        yield simulator.channel


def test_without_network(cache: Path, tmp_path: Path, channel: Path, served: str) -> None:
    output = tmp_path / "a.tar"
    local = build(cache, "-c", channel.as_uri(), "hello-sh", "-o", output, "--json", "--offline")
    assert local.status == 0, local.stderr
    done = build(cache, "-c", served, "hello-sh", "-o", tmp_path / "b.tar", "--offline")
    assert done.status != 0
    assert "--offline" in done.stderr
    assert served in done.stderr
    online = build(cache, "-c", served, "hello-sh", "-o", tmp_path / "b.tar", "--json")
    again = build(cache, "-c", served, "hello-sh", "-o", tmp_path / "b.tar", "--json", "--offline")
    assert again.digest == online.digest


def test_a_lock_without_network(cache: Path, tmp_path: Path, channel: Path, served: str) -> None:
    lock = tmp_path / "lock.txt"
    digest = hashlib.sha256((channel / "linux-64/links-1.0-0.conda").read_bytes()).hexdigest()
    lock.write_text(f"@EXPLICIT\n{served}/linux-64/links-1.0-0.conda#sha256:{digest}\n")
    done = build(cache, "-f", lock, "-o", tmp_path / "a.tar", "--offline", "-q")
    assert done.status == 4
    assert done.stderr == (
        f"error: `{served}/linux-64/links-1.0-0.conda` is not in the cache, and `--offline` forbids the network\n"
        "hint: build once without `--offline`, or use a `file://` channel\n"
    )
    online = build(cache, "-f", lock, "-o", tmp_path / "a.tar", "-q")
    assert build(cache, "-f", lock, "-o", tmp_path / "a.tar", "--offline", "-q").stdout == online.stdout != ""


def test_a_mirror_stands_in_for_a_channel(cache: Path, tmp_path: Path, served: str) -> None:
    """The image says where packages are from, not where they came from."""
    arguments = ("-c", "http://conda.invalid/main", "links", "--mirror", f"http://conda.invalid/main={served}")
    image = build_archive(tmp_path / "a.tar", *arguments, cache=cache)
    record = json.loads(flattened(image)["opt/conda/conda-meta/links-1.0-0.json"])
    assert record["url"] == "http://conda.invalid/main/linux-64/links-1.0-0.conda"


def test_the_first_mirror_that_has_it_counts(cache: Path, tmp_path: Path, served: str) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("@EXPLICIT\nhttp://conda.invalid/main/linux-64/links-1.0-0.conda\n")
    mirrors = [text for url in (f"{served}/none", served) for text in ("--mirror", f"http://conda.invalid/main={url}")]
    assert build(cache, "-f", lock, "-o", tmp_path / "a.tar", *mirrors).status == 0


@pytest.fixture
def two_channels(tmp_path: Path) -> tuple[str, ...]:
    """The first has an old version of what the second has."""
    found = []
    for name, version in (("first", "1.0"), ("second", "2.0")):
        spec = PackageSpec("ranked", version, {"share/ranked.txt": text(f"{version}\n")})
        found += ["-c", write_channel(tmp_path / name, [spec]).as_uri()]
    return tuple(found)


@pytest.mark.parametrize(("priority", "version"), [(None, "1.0"), ("strict", "1.0"), ("disabled", "2.0")])
def test_the_priority_of_channels(
    cache: Path, tmp_path: Path, two_channels: tuple[str, ...], priority: str | None, version: str
) -> None:
    options = ("--channel-priority", priority) if priority else ()
    image = build_archive(tmp_path / "a.tar", *two_channels, "ranked", *options, cache=cache)
    assert flattened(image)["opt/conda/share/ranked.txt"] == f"{version}\n".encode()


def test_an_unknown_priority(cache: Path) -> None:
    done = build(cache, "x", "--channel-priority", "loose", "--dry-run")
    assert done.status == 2
    assert "loose" in done.stderr


def test_categories_of_a_lock(cache: Path, tmp_path: Path, channel: Path) -> None:
    lock = write_declarations(tmp_path / "declared", channel) / "conda-lock.yml"

    def built(*categories: str) -> list[str]:
        options = [text for category in categories for text in ("--category", category)]
        layers = build(cache, "-f", lock, *options, "-o", tmp_path / "a.tar", "--json").package_layers
        return sorted(name.partition("-1")[0].partition("-2")[0] for layer in layers for name in layer["packages"])

    main = ["greeting", "hello-sh", "purelib", "python-3.11.4-fake_0_cpython"]
    assert built() == built("main") == main
    assert built("dev") == ["generic"]
    assert built("main", "dev") == sorted([*main, "generic"])


def test_several_files_are_one_environment(cache: Path, tmp_path: Path, channel: Path) -> None:
    for name, spec, value in (("a", "links", "one"), ("b", "hello-sh", "two")):
        (tmp_path / f"{name}.yml").write_text(
            f"channels: ['{channel.as_uri()}']\ndependencies: [{spec}]\nvariables: {{WHICH: {value}, {name}: x}}\n"
        )
    done = build(cache, "-f", "a.yml", "-f", "b.yml", "-o", "c.tar", "--json", cwd=tmp_path)
    assert sorted(layer["packages"][0] for layer in done.package_layers) == [
        "greeting-1.2-h1234567_3",
        "hello-sh-1.0-0",
        "links-1.0-0",
    ]
    env = read_image_file(tmp_path / "c.tar").config.env
    assert (env["WHICH"], env["a"], env["b"]) == ("two", "x", "x")
    assert "note: b.yml sets the variable `WHICH` to another value, which holds\n" in done.stderr
    lock = tmp_path / "lock.txt"
    lock.write_text(f"@EXPLICIT\n{channel.as_uri()}/linux-64/links-1.0-0.conda\n")
    refused = build(cache, "-f", "a.yml", "-f", "lock.txt", "-o", "c.tar", cwd=tmp_path)
    assert refused.status == 2
    assert refused.stderr == ("error: lock.txt is a lock, so it cannot be merged with another declaration\n")

"""Images with other packages: what a build makes, from the layers that are there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.oci.artifact import NamedArtifact
from docker_envs.oci.edit import append_layer
from docker_envs.oci.image import NamedImage
from docker_envs.records.record import read_records
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.validate import validate_image
from tests.builds import ROOT
from tests.images import flattened, make_layer
from tests.packages.build import PackageSpec, text, write_channel
from tests.unit.cli.runner import Run, runner

if TYPE_CHECKING:
    from docker_envs.oci.image import Image

BIG = {f"share/big/{number}": text(f"{number}\n" * 1000) for number in range(20)}


def packages(version: str, timestamp: int = 1_700_000_000_000) -> list[PackageSpec]:
    """`tool` needs `lib`, `lib` needs `core`; `active` sets a variable."""
    index = {"timestamp": timestamp}
    active = {"etc/conda/activate.d/active.sh": text(f"export ACTIVE={version}\n")}
    return [
        PackageSpec("core", version, {"share/core": text(f"{version}\n"), **BIG}, index=index),
        PackageSpec("lib", version, {"share/lib": text(f"{version}\n")}, ("core",), index=index),
        PackageSpec("tool", version, {"share/tool": text(f"{version}\n")}, ("lib",), index=index),
        PackageSpec("leaf", version, {"share/leaf": text(f"{version}\n")}, index=index),
        PackageSpec("active", version, active, index=index),
    ]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    write_channel(tmp_path / "channel", [*packages("1.0"), *packages("1.1")])
    return runner(monkeypatch, capfdbinary)


def publish(*specs: PackageSpec) -> None:
    shutil.rmtree("channel")
    write_channel(Path("channel"), specs)


ALL = ("core", "lib", "tool", "leaf", "active")


def build(run: Run, place: str, *specs: str, options: tuple[str, ...] = ()) -> Image:
    fixed = ("--base", "scratch", "--platform", "linux/amd64", "--channel", "./channel")
    done = run("build", *specs, *fixed, "--oci", place, "-i", "x:1", *options)
    assert done.status == 0, done.stderr
    return read(place)


def read(place: str) -> Image:
    (named,) = read_layout(Path(place))
    validate_image(named.image)
    return named.image


def change(run: Run, *arguments: str) -> dict[str, Any]:
    document = json.loads(run(*arguments, "-c", "./channel", "--json").text)
    assert isinstance(document, dict)
    return document


def old(*others: str) -> tuple[str, ...]:
    return tuple(name if name in others else f"{name}=1.0" for name in ALL)


def test_an_update_is_what_a_build_makes(run: Run) -> None:
    before = build(run, "before", *old())
    document = change(run, "update", "oci:before", "leaf=1.1", "--to", "oci:after:1")
    after = read("after")
    built = build(run, "built", *old("leaf"), "leaf=1.1")
    assert after.digest == built.digest
    section = (ROOT / "docs/commands.md").read_text().partition("\n## `docker-envs update")[2]
    documented = json.loads(section.partition("```json\n")[2].partition("```")[0])
    assert list(document) == list(documented)
    assert list(document["changes"][0]) == list(documented["changes"][0])
    assert document["digest"] == after.digest
    assert document["source_digest"] == before.digest
    assert document["changes"] == [{"platform": "linux/amd64", "name": "leaf", "before": "1.0 0", "after": "1.1 0"}]
    assert (document["layers_new"], document["layers_kept"]) == (1, 4)
    new = [layer for layer in after.layers if layer.digest not in {each.digest for each in before.layers}]
    assert len(new) == 2
    assert document["new_size"] == sum(layer.size for layer in new)


def test_what_activates_follows(run: Run) -> None:
    build(run, "before", *old())
    change(run, "update", "oci:before", "active", "--to", "oci:after:1")
    assert read("after").config.env["ACTIVE"] == "1.1"
    assert read("after").digest == build(run, "built", *old("active")).digest
    change(run, "remove", "oci:before", "active", "--to", "oci:without:1")
    assert "ACTIVE" not in read("without").config.env
    assert read("without").digest == build(run, "less", "core=1.0", "lib=1.0", "tool=1.0", "leaf=1.0").digest


def test_an_entrypoint_comes_and_goes(run: Run) -> None:
    script = {"etc/conda/activate.d/active.sh": text("eval $(date)\n")}
    publish(*packages("1.0"), PackageSpec("active", "1.1", script, index={"timestamp": 1_700_000_000_000}))
    options = ("--entrypoint", "run me")
    before = build(run, "before", *old(), options=options)
    change(run, "update", "oci:before", "active=1.1", "--to", "oci:after:1")
    after = build(run, "built", *old("active"), options=options)
    assert read("after").digest == after.digest
    assert len(after.layers) == len(before.layers) + 1
    change(run, "update", "oci:after", "active=1.0", "--to", "oci:back:1")
    assert read("back").digest == before.digest


def test_all_that_is_not_packages_stays(run: Run) -> None:
    project = """
base: scratch
platforms: [linux/amd64]
environment: {channels: [./channel], dependencies: [%s], variables: {OWN: "1"}}
files:
- {content: "mine", to: /srv/mine}
config: {cmd: [tool], ports: [80], labels: {who: me}, env: {ACTIVE: own}}
layers: {groups: {pair: [core, lib]}}
"""
    Path("docker-env.yaml").write_text(project % ", ".join(old()))
    run("build", "--oci", "before", "-i", "x:1")
    change(run, "update", "oci:before", "lib=1.1", "--to", "oci:after:1")
    Path("docker-env.yaml").write_text(project % ", ".join((*old("lib"), "lib=1.1")))
    run("build", "--oci", "built", "-i", "x:1")
    assert read("after").digest == read("built").digest
    assert flattened(read("after"))["srv/mine"] == b"mine"


def test_layers_on_top_stay(run: Run) -> None:
    before = build(run, "before", *old())
    top = make_layer({"srv/later": b"later"})
    write_layout(Path("appended"), [NamedArtifact.of(NamedImage(append_layer(before, top, history={"comment": "x"})))])
    change(run, "update", "oci:appended", "leaf=1.1", "--to", "oci:after:1")
    after = read("after")
    assert after.layers[-1].diff_id == top.diff_id
    assert after.config.history[-1] == {"comment": "x"}
    (found,) = read_records(after)
    assert {package.name: package.version for package in found.record.packages}["leaf"] == "1.1"
    assert "opt/conda/share/leaf" in flattened(after)


def test_what_must_follow_follows(run: Run) -> None:
    needing = PackageSpec("lib", "1.2", {"share/lib": text("1.2\n")}, ("core >=1.1", "more"))
    more = PackageSpec("more", "1.0", {"share/more": text("1.0\n")})
    build(run, "before", *old())
    publish(*packages("1.0"), *packages("1.1"), needing, more)
    document = change(run, "update", "oci:before", "lib", "--to", "oci:after:1")
    assert [(each["name"], each["before"], each["after"]) for each in document["changes"]] == [
        ("core", "1.0 0", "1.1 0"),
        ("lib", "1.0 0", "1.2 0"),
        ("more", None, "1.0 0"),
    ]
    assert (document["layers_new"], document["layers_kept"]) == (3, 3)


def test_a_file_that_was_hidden_comes_back(run: Run) -> None:
    """A layer whose packages stay is made anew when another package leaves room for its file."""
    index = {"timestamp": 1_700_000_000_000}
    under = PackageSpec("under", "1.0", {"share/same": text("under\n"), "share/u": text("u")}, index=index)
    over = [
        PackageSpec("over", "1.0", {"share/same": text("over\n")}, ("under",), index=index),
        PackageSpec("over", "1.1", {"share/other": text("over\n")}, ("under",), index=index),
    ]
    publish(*packages("1.0"), under, *over)
    build(run, "before", "under", "over=1.0")
    document = change(run, "update", "oci:before", "over=1.1", "--to", "oci:after:1")
    assert (document["layers_new"], document["layers_kept"]) == (2, 0)
    built = build(run, "built", "under", "over=1.1")
    assert {layer.digest for layer in built.layers[:-1]} == {layer.digest for layer in read("after").layers[:-1]}
    assert flattened(read("after"))["opt/conda/share/same"] == b"under\n"


@pytest.mark.parametrize("layers", [("--layers", "one"), ("--max-layers", "4")])
def test_shared_layers(run: Run, layers: tuple[str, ...]) -> None:
    build(run, "before", *old(), options=layers)
    change(run, "update", "oci:before", "leaf=1.1", "--to", "oci:after:1")
    assert read("after").digest == build(run, "built", *old("leaf"), "leaf=1.1", options=layers).digest


def test_removal(run: Run) -> None:
    build(run, "before", *old())
    done = run("remove", "oci:before", "lib", "--to", "oci:after:1", "-c", "./channel")
    assert (done.status, done.stderr.splitlines()[-2:]) == (
        2,
        ["error: `tool` cannot be without what shall go", "hint: remove these as well: `--with-dependents`"],
    )
    done = run("remove", "oci:before", "lib", "--with-dependents", "--to", "oci:after:1", "-c", "./channel")
    assert done.stdout.decode().splitlines()[:2] == ["- lib   1.0", "- tool  1.0"]
    assert "note: nothing needs `core` any more" in done.stderr
    assert "0 layers of packages new" in done.stderr
    assert read("after").digest == build(run, "built", "core=1.0", "leaf=1.0", "active=1.0").digest


def test_platforms_of_an_index(run: Run) -> None:
    publish(*packages("1.0"), PackageSpec("only", "1.0", {"share/o": text("o")}, noarch="generic"),
            PackageSpec("only", "1.1", {"share/o": text("p")}, noarch="generic"))  # fmt: skip
    options = ("--platform", "linux/arm64", "--channel", "./channel", "--base", "scratch", "--oci", "before")
    assert run("build", "only=1.0", "--platform", "linux/amd64", *options, "-i", "x:1").status == 0
    done = run("update", "oci:before", "only", "--to", "oci:after:1", "-c", "./channel")
    assert done.stdout.decode().splitlines()[0] == "~ only  1.0 → 1.1"
    images = [image for named in read_layout(Path("after")) for image in named.images]
    found = {str(image.platform): flattened(image)["opt/conda/share/o"] for image in images}
    assert found == {"linux/amd64": b"p", "linux/arm64": b"p"}


def test_packages_stay_with_their_channels(run: Run) -> None:
    """What another channel has as well does not come from there, whichever comes first."""
    write_channel(Path("other"), [*packages("2.0"), PackageSpec("extra", "1.0"), PackageSpec("extra", "1.1")])
    for names in (("core=1.0", "leaf=1.0"), ("core=1.0",)):
        specs = [f"{Path('channel').resolve().as_uri()}::{name}" for name in names]
        build(run, f"before{len(names)}", *specs, "extra=1.0", options=("--channel", "./other"))
        document = change(run, "update", f"oci:before{len(names)}", "extra", "-c", "./other", "--to", "oci:after:1")
        assert [each["name"] for each in document["changes"]] == ["extra"]


def test_nothing_changes(run: Run) -> None:
    before = build(run, "before", *old())
    done = run("update", "oci:before", "leaf=1.0", "--to", "oci:after:1", "-c", "./channel")
    assert "unchanged: `oci:before` has these packages already" in done.stderr
    assert read("after").digest == before.digest


def test_a_dry_run_writes_nothing(run: Run) -> None:
    build(run, "before", *old())
    shutil.rmtree("cache/layers")
    document = change(run, "update", "oci:before", "leaf", "--dry-run", "--to", "oci:after:1")
    assert (document["digest"], document["destination"], document["new_size"]) == (None, None, None)
    assert document["layers_new"] == 1
    assert not Path("after").exists()
    assert not Path("cache/layers/blobs").exists()


def test_a_declared_time_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    build(run, "before", *old())
    publish(*packages("1.0"), *packages("1.1", timestamp=1_800_000_000_000))
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    change(run, "update", "oci:before", "leaf", "--to", "oci:after:1")
    assert read("after").config.document["created"] == "2020-09-13T12:26:40Z"
    build(run, "newest", *old())
    change(run, "update", "oci:newest", "leaf", "--to", "oci:other:1")
    assert read("other").config.document["created"] == "2027-01-15T08:00:00Z"


def test_the_same_place(run: Run) -> None:
    before = build(run, "before", *old())
    change(run, "update", "oci:before:1", "leaf", "--same-tag")
    assert read("before").digest != before.digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("oci:before", "leaf"), "nowhere to put the image"),
        (("oci:before", "leaf", "--to", "oci:x", "--same-tag"), "`--to` and `--same-tag` name two places"),
        (("oci:before", "leav", "--to", "oci:x"), "the image has no package `leav`\nhint: did you mean `leaf`?"),
        (("oci:before", "leaf=", "--to", "oci:x"), "invalid match spec"),
        (("oci:before", "leaf", "--to", f"x@sha256:{'0' * 64}"), "is a digest, which another image cannot have"),
    ],
)
def test_refusals(run: Run, arguments: tuple[str, ...], message: str) -> None:
    build(run, "before", *old())
    done = run("update", *arguments, "-c", "./channel")
    assert (done.status, message in done.stderr) == (2, True), done.stderr


def test_no_solution(run: Run) -> None:
    build(run, "before", *old())
    assert run("update", "oci:before", "leaf=9", "--to", "oci:x", "-c", "./channel").status == 3


def test_images_that_cannot_be_updated(run: Run) -> None:
    build(run, "before", *old())
    run("flatten", "oci:before", "-t", "oci:flat:1")
    run("append", "scratch", "--path", "channel/noarch:/x", "-t", "oci:foreign:1")
    for place in ("flat", "foreign"):
        done = run("update", f"oci:{place}", "leaf", "--to", "oci:x", "-c", "./channel")
        assert (done.status, "has no record of an environment" in done.stderr) == (4, True)
    done = run("update", "oci:before", "leaf", "--to", "oci:x")
    assert (done.status, "`active` is from the local channel `channel`" in done.stderr) == (4, True)


def test_a_package_that_is_gone(run: Run) -> None:
    build(run, "before", *old())
    shutil.rmtree("cache")
    publish(*packages("1.1"))
    done = run("update", "oci:before", "leaf", "--to", "oci:x", "-c", "./channel")
    assert (done.status, "a package that the image has cannot be had any more" in done.stderr) == (4, True)

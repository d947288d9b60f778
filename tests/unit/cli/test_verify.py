"""Images are made again from their records, and whatever differs is named."""

from __future__ import annotations

import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from docker_envs.archive.entry import Entry, Kind
from docker_envs.archive.layer_writer import LayerFacts, write_layer
from docker_envs.archive.reader import iter_entries
from tests.builds import AMD64, ROOT, docker_envs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.builds import Outcome

PACKAGES = ("hello-sh", "links", "python")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(cache: Path, channel: Path, *arguments: str | Path) -> Outcome:
    return docker_envs(
        *("build", "--base", "scratch", "--platform", AMD64, "-c", channel.as_uri(), *PACKAGES, *arguments), cache=cache
    )


def verify(cache: Path, channel: Path, *arguments: str | Path) -> Outcome:
    return docker_envs("verify", "-c", channel.as_uri(), *arguments, cache=cache)


def test_an_image_is_made_again(cache: Path, tmp_path: Path, channel: Path) -> None:
    options = ("--max-layers", "4", "--group", "x=hello-sh,python", "--filter", "tests", "--compression", "zstd")
    assert build(cache, channel, *options, "--prefix", "/p", "-o", tmp_path / "a.tar", "--verify").status == 0
    done = verify(tmp_path / "empty", channel, tmp_path / "a.tar")
    assert (done.status, done.stdout) == (0, "ok: 3 layers made again, to the bit\n")


def test_json_has_the_documented_fields(cache: Path, tmp_path: Path, channel: Path) -> None:
    section = (ROOT / "docs/commands.md").read_text().partition("\n## `docker-envs verify")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    documented = json.loads(block)
    build(cache, channel, "-o", tmp_path / "a.tar")
    document = verify(cache, channel, tmp_path / "a.tar", "--json").document
    assert list(document) == list(documented)
    assert list(document["layers"][0]) == list(documented["layers"][0])
    assert document["verified"] is True


def test_a_layer_that_was_compressed_anew(cache: Path, tmp_path: Path, channel: Path) -> None:
    build(cache, channel, "-o", tmp_path / "a.tar", "--compression", "none", "-i", "a:1")
    # As an engine saves it, without manifest.
    with tarfile.open(tmp_path / "a.tar") as archive, tarfile.open(tmp_path / "saved.tar", "w") as saved:
        for member in archive:
            if member.name not in ("index.json", "oci-layout"):
                saved.addfile(member, archive.extractfile(member) if member.isfile() else None)
    copied = docker_envs("copy", tmp_path / "saved.tar", f"oci:{tmp_path}/b:1", cache=cache)
    assert copied.status == 0, copied.stderr
    done = verify(cache, channel, f"oci:{tmp_path}/b:1")
    assert done.status == 0, done.stderr
    assert done.stderr.count("was compressed anew") == 4


def poisoned(cache: Path, title: str, **changes: Any) -> None:
    """Put another layer in place of one in the store, with a file changed."""
    for path in (cache / "layers/keys").iterdir():
        document = json.loads(path.read_bytes())
        if document["title"].startswith(title):
            blob = next((cache / "layers").rglob(document["digest"].removeprefix("sha256:")))
            facts = rewrite(blob, cache / "new", **changes)
            blob.with_name(facts.digest.hex).write_bytes((cache / "new").read_bytes())
            digests = {"digest": str(facts.digest), "diff_id": str(facts.diff_id)}
            path.write_text(json.dumps({**document, **digests, "size": facts.size, "tar_size": facts.tar_size}))
            return
    raise AssertionError(f"no layer of {title}")


def rewrite(blob: Path, target: Path, **changes: Any) -> LayerFacts:
    import gzip

    def entries() -> Iterator[Entry]:
        with gzip.open(blob) as stream:
            for entry in iter_entries(stream, source="test"):
                is_file = entry.kind is Kind.FILE and "conda-meta" not in entry.path
                yield msgspec.structs.replace(entry, **changes) if is_file else entry

    with target.open("wb") as file:
        return write_layer(entries(), file, source="test")


def test_a_poisoned_store_is_found(cache: Path, tmp_path: Path, channel: Path) -> None:
    build(cache, channel, "-o", tmp_path / "a.tar")
    poisoned(cache, "hello-sh", mode=0o4755)
    assert build(cache, channel, "-o", tmp_path / "b.tar").status == 0
    done = verify(tmp_path / "empty", channel, tmp_path / "b.tar")
    assert done.status == 5
    assert re.search(
        r"^differs: layer \w+ \(hello-sh-1.0-0\): `opt/conda/\S+`: mode is 0o4755 instead of", done.stderr, re.MULTILINE
    )
    assert done.stderr.endswith("b.tar` is not what its packages give, in 1 layer\n")
    document = json.loads(verify(cache, channel, tmp_path / "b.tar", "--json").stdout)
    assert [layer["packages"] for layer in document["layers"] if layer["difference"]] == ["hello-sh-1.0-0"]
    done = build(cache, channel, "-o", tmp_path / "c.tar", "--verify")
    assert done.status == 5
    assert "hint: `docker-envs cache verify` finds what is damaged in the cache" in done.stderr


def test_what_cannot_be_verified(cache: Path, tmp_path: Path, channel: Path) -> None:
    build(cache, channel, "-o", tmp_path / "a.tar", "--no-record")
    done = verify(cache, channel, tmp_path / "a.tar")
    assert done.status == 2
    assert "error: the image has no record of an environment\n" in done.stderr
    done = build(cache, channel, "-o", tmp_path / "b.tar", "--no-record", "--verify")
    assert done.status == 2
    assert "`--verify` needs packages and a record of them" in done.stderr
    assert not (tmp_path / "b.tar").exists()
    build(cache, channel, "-o", tmp_path / "a.tar")
    done = docker_envs("verify", tmp_path / "a.tar", cache=cache)
    assert done.status == 4
    assert f"is from the local channel `{channel.name}`" in done.stderr
    assert "hint: name it with `--channel`" in done.stderr

"""Bad input and bad luck: one clear message, a status that says whose turn it is, and nothing half-written."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.builds import docker_envs, environment, read_image_file
from tests.packages import hostile
from tests.packages.build import File, PackageSpec, archive_bytes, write_archives, write_channel
from tests.packages.channel import NORMAL_SPECS
from tests.simulators.http_server import Answer, HttpSimulator, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.base_image import BaseImage
    from tests.builds import Outcome
    from tests.services import PasswordRegistry

BUILD = ("build", "--platform", "linux/amd64")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the output would be."""
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "image.tar").write_text("an older image")
    return folder


def refused(folder: Path, cache: Path, *arguments: str | Path, base: str = "scratch", **options: Any) -> Outcome:
    """Build to every kind of local destination; checks all that holds for every refusal."""
    places = ("-o", folder / "image.tar", "--oci", folder / "layout")
    done = docker_envs(*BUILD, "--base", base, *places, *arguments, cache=cache, **options)
    assert done.status not in (0, 1)
    check_untouched(folder, cache)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    return done


def check_untouched(folder: Path, cache: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["image.tar"]
    assert (folder / "image.tar").read_text() == "an older image"
    assert [path for path in cache.rglob("*") if path.name.endswith(".part")] == []


def message(done: Outcome) -> list[str]:
    """The lines from the error on."""
    lines = done.stderr.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("error: "))
    return lines[start:]


def test_unknown_package(folder: Path, cache: Path, channel: Path) -> None:
    done = refused(folder, cache, "-c", channel.as_uri(), "no-such-package")
    assert done.status == 3
    assert message(done) == [
        "error: no set of packages for `linux/amd64` fits the specs:",
        "Cannot solve the request because of: No candidates were found for no-such-package *.",
    ]


def test_unsatisfiable_specs_show_the_solvers_explanation(folder: Path, cache: Path, channel: Path) -> None:
    done = refused(folder, cache, "-c", channel.as_uri(), "cuda-tool", "hello-sh")
    assert done.status == 3
    assert message(done)[1:] == [
        "Cannot solve the request because of: cuda-tool * cannot be installed because there are no viable options:",
        "└─ cuda-tool 1.0 would require",
        "   └─ __cuda >=11, for which no candidates were found.",
    ]


HOSTILE: dict[Callable[[Path], Path], tuple[int, str]] = {
    hostile.wrong_sha256: (5, f": wrong digest: expected sha256:{'0' * 64}, got sha256:"),
    hostile.wrong_md5: (5, f": wrong digest: expected md5:{'0' * 32}, got md5:"),
    hostile.truncated_conda: (5, "error: bad-1.0-0.conda: damaged conda package (File is not a zip file)"),
    hostile.truncated_bz2: (5, "error: bad-1.0-0.tar.bz2: truncated bzip2 stream"),
    hostile.parent_path: (5, "path 'share/../../../escaped.txt' points outside of the root"),
    hostile.absolute_path: (5, "path '/escaped.txt' points outside of the root"),
    hostile.path_through_symlink: (5, "`share/out/escaped.txt` is listed below `share/out`, which is no directory"),
    hostile.duplicate_path: (5, "error: bad-1.0-0.conda: the archive has `share/bad/file.txt` twice"),
    hostile.whiteout_name: (6, "a layer cannot hold `opt/conda/share/bad/.wh.foo`"),
    hostile.missing_file: (5, "`share/bad/missing.txt` is listed in its metadata, but not there"),
    hostile.wrong_size: (
        5,
        "error: bad-1.0-0.conda: `share/bad/noise.bin` has 1,048,576 bytes, but its metadata declare",
    ),
    hostile.escaping_entry_point: (5, "unsafe or unreadable entry point '../../escaped = bad:main'"),
}


@pytest.mark.parametrize("write", HOSTILE, ids=lambda write: write.__name__)
def test_packages_that_are_not_what_they_should_be(
    folder: Path, cache: Path, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    status, text = HOSTILE[write]
    done = refused(folder, cache, "-c", write(tmp_path / "channel").as_uri(), "bad")
    assert done.status == status
    (line,) = message(done)
    assert text in line
    assert not list(tmp_path.rglob("escaped*"))


def test_every_hostile_package_has_its_test() -> None:
    elsewhere = {hostile.short_placeholder, hostile.wrong_content}
    assert set(hostile.HOSTILE) == HOSTILE.keys() | elsewhere


def test_a_long_prefix(folder: Path, cache: Path, tmp_path: Path) -> None:
    channel = hostile.short_placeholder(tmp_path / "channel")
    done = refused(folder, cache, "-c", channel.as_uri(), "bad", "--prefix", "/opt/" + "p" * 40)
    assert done.status == 6
    assert message(done)[1] == "hint: choose a prefix of at most 32 bytes with `--prefix`"


def test_a_download_that_is_cut_short(folder: Path, cache: Path, channel: Path) -> None:
    """The server ends an archive early, as if it were whole."""

    def answer(request: Request) -> Answer:
        path = channel / request.path.lstrip("/")
        content = path.read_bytes() if path.is_file() else b""
        return Answer(200, content[:500] if path.suffix == ".conda" else content) if content else Answer(404)

    with HttpSimulator(answer).running() as server:
        done = refused(folder, cache, "-c", server.url, "noise")
    assert done.status == 5
    assert "package `noise-1.0-0`" in message(done)[0]
    assert not list(cache.rglob("noise*"))


def test_a_package_that_is_gone(folder: Path, cache: Path, tmp_path: Path) -> None:
    channel = write_channel(tmp_path / "channel", [PackageSpec("gone")])
    (channel / "linux-64/gone-1.0-0.conda").unlink()
    done = refused(folder, cache, "-c", channel.as_uri(), "gone")
    assert done.status == 4
    assert message(done) == [f"error: package `gone-1.0-0` is not at `{channel}/linux-64/gone-1.0-0.conda`"]


def test_another_package_in_the_place_of_one(folder: Path, cache: Path, tmp_path: Path) -> None:
    content = archive_bytes(PackageSpec("evil"), ".conda")
    channel = write_archives(tmp_path / "channel", [(PackageSpec("good"), ".conda", content)])
    done = refused(folder, cache, "-c", channel.as_uri(), "good")
    assert done.status == 6
    assert message(done) == ["error: `good-1.0-0.conda` holds the package `evil` instead of `good`"]


def test_unreachable_registry(folder: Path, cache: Path, channel: Path) -> None:
    done = refused(folder, cache, "-c", channel.as_uri(), "greeting", base="127.0.0.1:1/nobody/here:1")
    assert done.status == 4
    assert "127.0.0.1:1" in message(done)[0]
    assert "onnection refused" in message(done)[0]


def test_unreachable_registry_to_push_to(folder: Path, cache: Path, channel: Path) -> None:
    done = refused(folder, cache, "-c", channel.as_uri(), "greeting", "--push", "127.0.0.1:1/nobody/here:1")
    assert done.status == 4
    assert "127.0.0.1:1" in message(done)[0]


def test_unreachable_channel(folder: Path, cache: Path) -> None:
    done = refused(folder, cache, "-c", "http://127.0.0.1:1/channel", "greeting")
    assert done.status == 4
    assert message(done)[0].startswith("error: cannot read the index of a channel: ")
    assert message(done)[-1] == "hint: check the channels' names and the network"


@pytest.mark.parametrize("how", ["base", "push"])
def test_missing_credentials(
    folder: Path, cache: Path, channel: Path, registry_with_basic_auth: PasswordRegistry, how: str
) -> None:
    name = f"{registry_with_basic_auth.address}/private/image:1"
    if how == "base":
        done = refused(folder, cache, "-c", channel.as_uri(), "greeting", base=name)
    else:
        done = refused(folder, cache, "-c", channel.as_uri(), "greeting", "--push", name)
    assert done.status == 4
    error, *hint = message(done)
    assert registry_with_basic_auth.address in error
    assert hint
    assert "login" in hint[0]


def test_unknown_tag(folder: Path, cache: Path, channel: Path, base_image: BaseImage) -> None:
    base = base_image.oci.replace(":oci", ":no-such-tag")
    done = refused(folder, cache, "-c", channel.as_uri(), "greeting", base=base)
    assert done.status == 4
    assert "no-such-tag" in message(done)[0]


def test_a_platform_that_the_base_lacks(folder: Path, cache: Path, channel: Path, base_image: BaseImage) -> None:
    arguments = ("-c", channel.as_uri(), "greeting", "--platform", "linux/s390x")
    done = refused(folder, cache, *arguments, base=base_image.index)
    assert done.status == 4
    assert "linux/s390x" in message(done)[0]
    assert "linux/amd64" in done.stderr
    assert "linux/arm64" in done.stderr


def test_a_base_for_another_platform_only(folder: Path, cache: Path, channel: Path, base_image: BaseImage) -> None:
    arguments = ("-c", channel.as_uri(), "greeting", "--platform", "linux/s390x")
    done = refused(folder, cache, *arguments, base=base_image.oci)
    assert done.status in (4, 6)
    assert "linux/s390x" in message(done)[0]


USAGE = {
    "no destination": ([], "error: nowhere to put the image"),
    "load without name": (["--load"], "error: `--load` needs a name for the image"),
    "reference": (
        ["--push", "Not/A/Name"],
        "error: invalid image reference 'Not/A/Name': repository names are lower case",
    ),
    "platform": (["-o", "x", "--platform", "plan9"], "error: "),
    "windows": (
        ["-o", "x", "-b", "scratch", "--platform", "windows/amd64"],
        "error: conda has no packages for containers of platform",
    ),
    "prefix": (["-o", "x", "--prefix", "opt"], "error: invalid prefix 'opt': expected an absolute path below `/`"),
    "prefix in a merged directory": (["-o", "x", "--prefix", "/lib/e"], "error: invalid prefix '/lib/e'"),
    "compression": (["-o", "x", "--compression", "lzma"], "error: unknown compression 'lzma'"),
    "level": (["-o", "x", "--compression", "gzip:99"], "error: gzip has no level 99"),
    "variable": (["-o", "x", "-e", "A"], "error: invalid `--env` 'A'"),
    "virtual package": (["-o", "x", "--virtual-package", "cuda"], "error: invalid virtual package 'cuda'"),
    "match spec": (["-o", "x", "numpy >"], "error: invalid match spec 'numpy >'"),
    "no such file": (["-o", "x", "-f", "no.yml"], "error: no.yml: "),
    "a directory": (["-o", "."], "error: cannot write the archive `.`: it is a directory"),
    "no layer left": (["-o", "x", "--max-layers", "3"], "error: no layer is left for the packages within the limit"),
}


@pytest.mark.parametrize("case", USAGE)
def test_options_that_make_no_sense(folder: Path, cache: Path, channel: Path, base_image: BaseImage, case: str) -> None:
    arguments, text = USAGE[case]
    fixed = ("--base", base_image.oci, "--channel", channel.as_uri(), "greeting")
    done = docker_envs(*BUILD, *fixed, *arguments, cache=cache, cwd=folder)
    assert done.status == 2
    (error, *hint) = message(done)
    assert error.startswith(text)
    assert len(hint) <= 1
    assert "Traceback" not in done.stderr
    check_untouched(folder, cache)


def test_no_engine(folder: Path, cache: Path, channel: Path) -> None:
    socket = folder.parent / "nobody.sock"
    arguments = ("-c", channel.as_uri(), "greeting", "--load", "-i", "a:1")
    done = refused(folder, cache, *arguments, variables={"DOCKER_HOST": f"unix://{socket}"})
    assert done.status == 4
    assert str(socket) in done.stderr
    assert not cache.exists()


def limit_files() -> None:
    """Files may have 1 MiB, which `noise` exceeds: what a full disk looks like without root."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


@pytest.mark.parametrize("where", ["cache", "output"])
def test_a_file_that_grows_too_large(folder: Path, cache: Path, channel: Path, where: str) -> None:
    arguments = ("-c", channel.as_uri(), "noise")
    if where == "output":
        ready = docker_envs(*BUILD, "-b", "scratch", *arguments, "-o", folder.parent / "ready.tar", cache=cache)
        assert ready.status == 0
    done = refused(folder, cache, *arguments, preexec=limit_files)
    assert done.status == 4
    error, hint = message(done)
    assert error.startswith(f"error: cannot write `{folder if where == 'output' else cache}/")
    assert error.endswith("File too large")
    assert hint.startswith("hint: free some space in `")
    assert docker_envs(*BUILD, "-b", "scratch", *arguments, "-o", folder.parent / "b.tar", cache=cache).status == 0
    read_image_file(folder.parent / "b.tar")


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A file system of 1 MiB."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


# Only root may mount; the test above needs nothing.
if os.geteuid() == 0:

    @pytest.mark.parametrize("where", ["cache", "output"])
    def test_a_full_disk(tmp_path: Path, channel: Path, where: str) -> None:
        folders = {name: tmp_path / name for name in ("cache", "output")}
        for place in folders.values():
            place.mkdir()
        with small_disk(folders[where]):
            (folders["output"] / "image.tar").write_text("an older image")
            done = refused(folders["output"], folders["cache"], "-c", channel.as_uri(), "noise")
            assert done.status == 4
            error, hint = message(done)
            assert error.startswith(f"error: cannot write `{folders[where]}/")
            assert error.endswith("No space left on device")
            assert hint.startswith(f"hint: free some space in `{folders[where]}")


@pytest.fixture(scope="module")
def slow_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many packages that compress slowly."""
    words = b" ".join(b"%x" % (number * 2654435761 % (1 << 32)) for number in range(120_000))
    specs = [PackageSpec(f"slow-{number}", files={f"share/{number}": File(words)}) for number in range(40)]
    return write_channel(tmp_path_factory.mktemp("slow"), specs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_of_a_build(
    folder: Path, cache: Path, slow_channel: Path, number: signal.Signals
) -> None:
    specs = [f"slow-{index}" for index in range(40)]
    arguments = [*BUILD, "-b", "scratch", "-c", slow_channel.as_uri(), *specs, "--compression", "gzip:12"]
    command = [
        sys.executable,
        "-m",
        "docker_envs",
        *arguments,
        "-o",
        str(folder / "image.tar"),
        "--oci",
        str(folder / "l"),
    ]
    process = subprocess.Popen(
        command, env=environment(cache), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("build "):
                break
        process.send_signal(number)
        start = time.monotonic()
        stdout, stderr = process.communicate(timeout=60)
        took = time.monotonic() - start
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines()[-1] == "interrupted; nothing half-made was left behind"
    assert "Traceback" not in stderr
    assert "write " not in stderr
    assert took < 10
    check_untouched(folder, cache)
    made = len(list((cache / "layers/keys").iterdir()))
    assert 0 < made < len(specs)
    again = docker_envs(*arguments[:-2], "-o", folder / "again.tar", "-q", cache=cache)
    assert again.status == 0
    # And the record.
    assert len(read_image_file(folder / "again.tar").layers) == len(specs) + 1


def test_the_normal_set_is_fine_with_all_of_this(cache: Path, channel: Path, tmp_path: Path) -> None:
    """What is refused above is refused for its own sake."""
    arguments = ("-b", "scratch", "-c", channel.as_uri(), "-o", tmp_path / "image.tar")
    assert docker_envs(*BUILD, *arguments, *NORMAL_SPECS, cache=cache).status == 0

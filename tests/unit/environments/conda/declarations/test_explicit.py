"""`@EXPLICIT` lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.environments.conda.support import AMD64, ARM64, read, refusal

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://conda.example/chan/linux-64/a-1.0-0.conda"
MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4


def write(folder: Path, *lines: str) -> Path:
    path = folder / "list.txt"
    path.write_text("\n".join(("@EXPLICIT", *lines)))
    return path


@pytest.mark.parametrize(
    ("text", "md5", "sha256"),
    [
        ("", None, None),
        (f"#{MD5}", MD5, None),
        (f"#md5:{MD5.upper()}", MD5, None),
        (f"#{SHA256}", None, SHA256),
        (f"#sha256:{SHA256.upper()}", None, SHA256),
    ],
    ids=["none", "md5", "named md5", "sha256", "named sha256"],
)
def test_digests_have_several_spellings(tmp_path: Path, text: str, md5: str | None, sha256: str | None) -> None:
    (package,) = read(write(tmp_path, URL + text)).packages or ()
    assert (package.url, package.md5, package.sha256) == (URL, md5, sha256)


def test_paths_are_relative_to_the_list(tmp_path: Path) -> None:
    lines = ["./linux-64/a-1.0-0.conda", "/srv/c/noarch/b-1.0-0.tar.bz2", "file:///srv/c/noarch/c-1.0-0.conda"]
    found = read(write(tmp_path, *lines)).packages or ()
    assert [package.url for package in found] == [
        (tmp_path / "linux-64/a-1.0-0.conda").as_uri(),
        "file:///srv/c/noarch/b-1.0-0.tar.bz2",
        "file:///srv/c/noarch/c-1.0-0.conda",
    ]


def test_credentials_stay_in_the_address_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "t0ken")
    (package,) = read(write(tmp_path, "https://u:pw@h/t/$A_TOKEN/c/linux-64/a-1.0-0.conda")).packages or ()
    assert package.url == "https://u:pw@h/t/t0ken/c/linux-64/a-1.0-0.conda"
    assert package.public_url == "https://h/c/linux-64/a-1.0-0.conda"


def test_packages_that_conda_could_not_list_are_noted(tmp_path: Path) -> None:
    path = write(tmp_path, URL, "# no URL for: local-1.0-0.conda")
    assert read(path).notes == (f"{path}:3: the list does not say where `local-1.0-0.conda` is, so the image lacks it",)


REFUSED = {
    "digest": (
        f"{URL}#abc",
        "list.txt:2: 'abc' is neither an md5 nor a sha256 digest\nhint: they have 32 or 64 hexadecimal digits",
    ),
    "digit": (
        f"{URL}#{MD5[:-1]}g",
        (
            "list.txt:2: '0123456789abcdef0123456789abcdeg' is neither an md5 nor a sha256 digest\n"
            "hint: they have 32 or 64 hexadecimal digits"
        ),
    ),
    "a spec": ("numpy=2", "list.txt:2: `numpy=2` is not the address of a conda package"),
    "credentials": (
        "https://u:pw@h/t/t0ken/a.zip",
        "list.txt:2: `https://h/a.zip` is not the address of a conda package",
    ),
    "platform": (
        "https://h/c/linux-aarch64/a-1.0-0.conda",
        (
            "list.txt:2: is for `linux-aarch64`, but the image is for `linux-64`\n"
            "hint: a list serves one platform: choose it with `--platform`"
        ),
    ),
    "variable": (
        "https://h/t/$NO_SUCH_TOKEN/linux-64/a-1-0.conda",
        "list.txt:2: the environment variable `NO_SUCH_TOKEN` is not set",
    ),
    "nothing": ("# nothing", "list.txt: lists no packages"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_understood_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    line, message = REFUSED[case]
    assert refusal(tmp_path, "list.txt", f"@EXPLICIT\n{line}\n") == message


def test_the_named_platform_counts(tmp_path: Path) -> None:
    text = "# platform: linux-aarch64\n@EXPLICIT\nhttps://h/c/noarch/a-1.0-0.conda\n"
    path = tmp_path / "list.txt"
    path.write_text(text)
    assert read(path, platform=ARM64).packages
    assert refusal(tmp_path, "list.txt", text, platform=AMD64).startswith("list.txt:1: is for `linux-aarch64`")

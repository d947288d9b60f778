from __future__ import annotations

import pytest

from docker_envs.environments.debian.solving.installed import parse_status
from docker_envs.errors import FormatError

STATUS = """\
Package: a
Status: install ok installed
Architecture: amd64
Version: 1
Depends: b
Conffiles:
 /etc/a 0123

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: held
Status: hold ok installed
Architecture: all
Version: 2

Package: foreign
Status: install ok installed
Architecture: i386
Version: 2
"""


def test_status() -> None:
    found = parse_status([STATUS], source="status", architecture="amd64")
    assert [(each.name, each.indexed.version, each.held) for each in found] == [("a", "1", False), ("held", "2", True)]
    assert found[0].indexed.depends == "b"


def test_files_of_distroless_images_have_no_status() -> None:
    texts = ["Package: tzdata\nVersion: 2024a\nArchitecture: all\n", "Package: base-files\nVersion: 12\n"]
    assert [each.name for each in parse_status(texts, source="status.d", architecture="arm64")] == [
        "base-files",
        "tzdata",
    ]


@pytest.mark.parametrize("text", ["Package: a\nStatus: install ok installed\n", "Version: 1\n", "nonsense"])
def test_malformed(text: str) -> None:
    with pytest.raises(FormatError):
        parse_status([text], source="status", architecture="amd64")

"""Records of `conda-meta`: a function of the package alone, without secrets."""

from __future__ import annotations

import json

from docker_envs.environments.conda.linking.record import LinkedPath, make_record, record_path
from docker_envs.environments.conda.metadata import PackageMetadata
from docker_envs.environments.conda.package import CondaPackage

URL = "https://user:pass@h/t/TOKEN/ch/linux-64/made-1.0-0.conda?q=s"
INDEX = {"name": "made", "version": "1.0", "build": "0", "license": None, "arch": "", "timestamp": 5, "own": [1]}


def record(package: CondaPackage, *paths: LinkedPath) -> dict[str, object]:
    metadata = PackageMetadata("made.conda", dict(INDEX), (), ())
    content = make_record(package, metadata, paths, sha256="5" * 64, md5="6" * 32, size=7)
    document = json.loads(content)
    assert isinstance(document, dict)
    assert list(document) == sorted(document)
    assert content.endswith(b"}\n")
    return document


def test_the_whole_record() -> None:
    paths = [
        LinkedPath("z", "softlink", sha256="1", size_in_bytes=2),
        LinkedPath("a", "hardlink", True, "3", "4", 5, "text", "/placeholder"),
    ]
    assert record(CondaPackage.from_url(URL), *paths) == {
        "build": "0",
        "channel": "https://h/ch/",
        "depends": [],
        "files": ["a", "z"],
        "fn": "made-1.0-0.conda",
        "md5": "6" * 32,
        "name": "made",
        "own": [1],
        "paths_data": {
            "paths": [
                {
                    "_path": "a",
                    "file_mode": "text",
                    "no_link": True,
                    "path_type": "hardlink",
                    "prefix_placeholder": "/placeholder",
                    "sha256": "3",
                    "sha256_in_prefix": "4",
                    "size_in_bytes": 5,
                },
                {"_path": "z", "path_type": "softlink", "sha256": "1", "size_in_bytes": 2},
            ],
            "paths_version": 1,
        },
        "requested_specs": [],
        "sha256": "5" * 64,
        "size": 7,
        "subdir": "linux-64",
        "timestamp": 5,
        "url": "https://h/ch/linux-64/made-1.0-0.conda",
        "version": "1.0",
    }


def test_a_record_does_not_depend_on_how_the_package_was_declared() -> None:
    solved = CondaPackage("made", "1.0", "0", "linux-64", URL, sha256="5" * 64, md5="6" * 32, size=7)
    assert record(solved) == record(CondaPackage.from_url(URL))
    local = [f"file:///home/{user}/ch/linux-64/made-1.0-0.conda" for user in ("me", "you")]
    assert record(CondaPackage.from_url(local[0])) == record(CondaPackage.from_url(local[1]))


def test_where_the_record_goes() -> None:
    metadata = PackageMetadata("made.conda", dict(INDEX), (), ())
    assert record_path(metadata) == "conda-meta/made-1.0-0.json"

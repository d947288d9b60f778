"""A plan knows every layer and its key before any is made; a key changes with the bytes of its layer, and only then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from docker_envs.archive.compression import Compression, CompressionSetting
from docker_envs.environments.clobber import Clobber
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.linking.plan_environment import plan_environment
from docker_envs.environments.conda.metadata import PackageMetadata, PathsEntry
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.planned import ReadPackage
from docker_envs.errors import BuildError, InvalidInputError, PrefixTooLongError
from docker_envs.planner import plan as plan_module
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.layering import Grouping, Reason, Strategy, UserGroup
from docker_envs.planner.plan import Plan, make_plan

GZIP = CompressionSetting()


def planned(name: str, *paths: str, version: str = "1.0", size: int = 10, url: str = "", **index: Any) -> ReadPackage:
    package = CondaPackage.from_url(url or f"file:///home/me/ch/linux-64/{name}-{version}-0.conda")
    document = {"name": name, "version": version, "build": "0", **index}
    metadata = PackageMetadata(f"{name}.conda", document, tuple(PathsEntry(path) for path in paths), ())
    return ReadPackage(package, metadata, f"{name}-{version}".encode().hex().ljust(64, "0"), size)


def plan(*packages: ReadPackage, prefix: str = "/opt/conda", budget: int = 64, **options: Any) -> Plan:
    return make_plan(
        PlannedEnvironment(plan_environment(packages, LinkOptions(prefix))),
        budget=budget,
        compression=options.get("compression", GZIP),
        grouping=options.get("grouping"),
    )


def keys(*packages: ReadPackage, **options: Any) -> dict[str, str]:
    """Layer keys by the names of the packages inside."""
    return {" ".join(each.name for each in layer.packages): layer.key for layer in plan(*packages, **options).layers}


PYTHON = planned("python", version="3.11.4")
NOARCH = planned("pure", "site-packages/pure.py", noarch="python")
PLAIN = planned("plain", "bin/plain")


def test_a_layer_for_each_package() -> None:
    made = plan(PYTHON, NOARCH, PLAIN)
    assert [layer.title for layer in made.layers] == ["plain-1.0-0", "pure-1.0-0", "python-3.11.4-0"]
    assert [package.link.python is not None for package in made.environment.conda.packages] == [False, True, False]
    assert {layer.group.reason for layer in made.layers} == {Reason.PACKAGE}
    assert made.environment.conda.clobbers == ()
    assert made.environment.timestamp == 0
    assert len({layer.key for layer in made.layers}) == 3


def test_grouped_packages_share_a_layer() -> None:
    packages = [planned(f"p{number}", f"bin/{number}", size=number) for number in range(12)]
    (layer,) = plan(*packages, budget=1).layers
    assert len(layer.packages) == 12
    assert layer.size == sum(range(12))
    assert layer.title == "p0-1.0-0 p1-1.0-0 p10-1.0-0 and 9 more"
    assert plan(*packages, budget=1).to_json() == [
        {
            "key": layer.key,
            "packages": [f"p{number}-1.0-0" for number in (0, 1, 10, 11, *range(2, 10))],
            "package_bytes": 66,
            "reason": "rest",
            "group": None,
        }
    ]


def test_nothing_planned() -> None:
    assert plan() == Plan((), PlannedEnvironment())
    assert plan().environment.timestamp == 0
    assert plan(budget=0).layers == ()


def test_no_room() -> None:
    with pytest.raises(InvalidInputError, match="no layer is left"):
        plan(PLAIN, budget=0)


def test_the_time_is_that_of_the_newest_package() -> None:
    packages = [planned("a", timestamp=5_999), planned("b", timestamp=1_700_000_000_123), planned("c")]
    assert plan(*packages).environment.timestamp == 1_700_000_000


def test_clobbers_are_dropped_from_the_losers_layer() -> None:
    first, second = planned("first", "bin/x", "bin/y"), planned("second", "bin/x")
    made = plan(first, second).environment.conda
    assert made.clobbers == (Clobber("bin/x", "second", ("first",)),)
    assert [sorted(package.link.dropped) for package in made.packages] == [["bin/x"], []]


def test_clobbers_are_found_where_files_go_in_the_end() -> None:
    pure = planned("pure", "site-packages/x.py", "python-scripts/x", noarch="python")
    plain = planned("plain", "lib/python3.11/site-packages/x.py", "bin/x")
    assert [clobber.path for clobber in plan(PYTHON, pure, plain).environment.conda.clobbers] == [
        "bin/x",
        "lib/python3.11/site-packages/x.py",
    ]


def test_scripts_that_are_not_run_are_listed() -> None:
    made = plan(planned("a", "bin/.a-post-link.sh", "bin/a"), PLAIN).environment.conda
    assert made.link_scripts == {"a": ["bin/.a-post-link.sh"]}


def test_packages_that_cannot_be_linked() -> None:
    with pytest.raises(BuildError, match="the environment has none"):
        plan(NOARCH)
    binary = replace(
        PLAIN,
        metadata=replace(PLAIN.metadata, paths=(PathsEntry("b", prefix_placeholder="/p" * 9, file_mode="binary"),)),
    )
    with pytest.raises(PrefixTooLongError):
        plan(binary, prefix="/opt/" + "p" * 20)


def test_keys_are_the_same_again() -> None:
    assert keys(PYTHON, NOARCH, PLAIN) == keys(PYTHON, NOARCH, PLAIN)


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": "/opt/other"},
        {"compression": CompressionSetting(Compression.GZIP, 6)},
        {"compression": CompressionSetting(Compression.ZSTD)},
        {"compression": CompressionSetting(Compression.NONE)},
    ],
    ids=["prefix", "level", "zstd", "none"],
)
def test_options_that_change_every_key(options: Any) -> None:
    before, after = keys(PYTHON, NOARCH, PLAIN), keys(PYTHON, NOARCH, PLAIN, **options)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_the_format_version_changes_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(PYTHON, PLAIN)
    monkeypatch.setattr(plan_module, "DIGEST_FORMAT", 999)
    assert not set(before.values()) & set(keys(PYTHON, PLAIN).values())


@pytest.mark.parametrize(
    "python",
    [planned("python", version="3.12.1"), planned("python", version="3.11.4", python_site_packages_path="lib/sp")],
    ids=["minor", "site-packages"],
)
def test_the_python_changes_only_what_is_linked_for_it(python: ReadPackage) -> None:
    before, after = keys(PYTHON, NOARCH, PLAIN), keys(python, NOARCH, PLAIN)
    assert before["pure"] != after["pure"]
    assert before["plain"] == after["plain"]


def test_a_patch_release_of_python_changes_no_other_key() -> None:
    before, after = keys(PYTHON, NOARCH, PLAIN), keys(planned("python", version="3.11.9"), NOARCH, PLAIN)
    assert {name for name in before if before[name] != after[name]} == {"python"}


def test_what_is_dropped_changes_the_losers_key_only() -> None:
    loser, winner = planned("loser", "bin/x", "bin/y"), planned("winner", "bin/x")
    before, after = keys(loser) | keys(winner), keys(loser, winner)
    assert before["loser"] != after["loser"]
    assert before["winner"] == after["winner"]


def test_the_archive_and_its_address_are_in_the_key() -> None:
    """The address stands in the record, and so in the layer."""
    assert keys(PLAIN) != keys(replace(PLAIN, sha256="f" * 64))
    assert keys(PLAIN) != keys(planned("plain", "bin/plain", url="https://h/ch/linux-64/plain-1.0-0.conda"))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("file:///home/me/ch/linux-64/plain-1.0-0.conda", "file:///srv/a/b/ch/linux-64/plain-1.0-0.conda"),
        ("https://h/ch/linux-64/plain-1.0-0.conda", "https://u:p@h/t/T/ch/linux-64/plain-1.0-0.conda?q"),
    ],
    ids=["host path", "credentials"],
)
def test_what_is_no_part_of_the_layer_is_not_in_the_key(one: str, two: str) -> None:
    assert keys(planned("plain", url=one)) == keys(planned("plain", url=two))


def test_neither_are_other_packages_sizes_and_the_budget() -> None:
    before = keys(PLAIN)
    assert keys(PLAIN, planned("z", "bin/z"))["plain"] == before["plain"]
    assert keys(replace(PLAIN, size=99)) == before
    assert keys(PLAIN, budget=1) == before


def test_what_is_in_a_group_is_in_the_key_and_the_order_given_is_not() -> None:
    first, second = planned("a"), planned("b")
    assert keys(first, second, budget=1) == keys(second, first, budget=1)
    assert set(keys(first, budget=1).values()) != set(keys(first, second, budget=1).values())


def test_layers_stand_by_what_metadata_say() -> None:
    tree = [
        planned("python", version="3.11.4", size=3_000_000, depends=["openssl >=3,<4", "__glibc >=2.17"]),
        planned("openssl", size=2_000_000, timestamp=2_000),
        planned("new", size=6_000_000, timestamp=9_000),
        planned("old", size=7_000_000, timestamp=1_000),
    ]
    made = [layer.packages[0].name for layer in plan(*tree).layers]
    # Python's 3 MB and openssl's 2 MB count four times; 2**23 lies between 8 and 12 million, so three are in one class.
    assert made == ["python", "old", "openssl", "new"]


def test_groups_that_are_asked_for() -> None:
    grouping = Grouping(Strategy.ONE, (UserGroup("web", ("p*",)),))
    made = plan(PYTHON, NOARCH, planned("other"), grouping=grouping).layers
    assert [(layer.group.group, [each.name for each in layer.packages]) for layer in made] == [
        ("web", ["pure", "python"]),
        (None, ["other"]),
    ]


@pytest.mark.parametrize(
    ("compression", "expected"), [(Compression.GZIP, 300), (Compression.ZSTD, 320), (Compression.NONE, 1_000)]
)
def test_estimated_sizes(compression: Compression, expected: int) -> None:
    paths = (PathsEntry("a", size_in_bytes=600), PathsEntry("b", size_in_bytes=400), PathsEntry("c"))
    package = replace(PLAIN, size=100, metadata=replace(PLAIN.metadata, paths=paths))
    setting = CompressionSetting(compression)
    (layer,) = plan(package, compression=setting).layers
    assert layer.estimated_size(setting) == expected
    # A layer is hardly smaller than the archive, unless something is left out.
    (layer,) = plan(replace(package, size=5_000)).layers
    assert layer.estimated_size(setting) == 5_000
    (first, _) = sorted(
        plan(replace(package, size=5_000), planned("winner", "a")).layers, key=lambda layer: layer.title
    )
    assert first.estimated_size(setting) == int(expected * 0.4)

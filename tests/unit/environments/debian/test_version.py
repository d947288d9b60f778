from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.environments.debian.version import version_key
from docker_envs.errors import FormatError
from tests.packages.debian_versions import VERSIONS


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0~~", "1.0~"),
        ("1.0~~a", "1.0~"),
        ("1.0", "1.0a"),
        ("1.0a", "1.0+b"),
        ("0:0A", "0:6~AA.A"),
        ("1.0", "1.0-1"),
        ("1.9", "1.10"),
        ("9", "1:1"),
        ("1.0-1", "1.0-1+b1"),
        ("1.0-1~deb12u1", "1.0-1"),
        ("2.36-9+deb12u9", "2.36-9+deb12u10"),
        ("1." + "9" * 5000, "1.1" + "0" * 5000),
    ],
)
def test_order(lower: str, higher: str) -> None:
    assert version_key(lower) < version_key(higher)


@pytest.mark.parametrize(("one", "other"), [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.0", "1.00"), ("1.", "1.0")])
def test_the_same(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


@pytest.mark.parametrize("text", ["", "1.0 2", "1.0_1", "-1", "1.0é", "٣"])
def test_no_version(text: str) -> None:
    with pytest.raises(FormatError, match="is not a version"):
        version_key(text)


@given(st.lists(VERSIONS, min_size=3, max_size=3))
def test_the_order_is_total(versions: list[str]) -> None:
    first, second, third = sorted(versions, key=version_key)
    assert version_key(first) <= version_key(second) <= version_key(third)
    assert (version_key(first) == version_key(third)) <= (version_key(first) == version_key(second))


@given(VERSIONS)
def test_tilde_is_before_all_and_a_letter_behind(version: str) -> None:
    """Policy 5.6.12: the tilde sorts before anything, even the end of a part."""
    assert version_key(f"{version}~") < version_key(version) < version_key(f"{version}a")

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.digest import Digest
from docker_envs.errors import FormatError
from docker_envs.fields import Fields, canonical_json, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = Digest.of(b"")
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(), FLOATS),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(JSON)
def test_canonical_json_can_be_read_back(value: Any) -> None:
    encoded = canonical_json(value)
    assert parse_json(encoded, source="test") == value
    assert canonical_json(parse_json(encoded, source="test")) == encoded
    assert parse_json(json.dumps(value, indent=1).encode(), source="test") == value


def test_canonical_json_is_sorted_and_dense() -> None:
    assert canonical_json({"b": [1, 2], "a": {"é": None}}) == '{"a":{"é":null},"b":[1,2]}'.encode()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"nonsense", b'{"a":1}x', b"\xef\xbb\xbf{}", b'"\xff"', b'"\\ud800 "', b'{"a":NaN}', b'{"a":1e999}',
     b"9" * 5000, b'{"a":1,}', b"\0"],
)  # fmt: skip
def test_no_json(content: bytes) -> None:
    with pytest.raises(FormatError, match=r"^test: no valid JSON: "):
        parse_json(content, source="test")


@given(st.binary())
def test_any_bytes_give_a_value_or_our_error(content: bytes) -> None:
    try:
        value = parse_json(content, source="test")
    except FormatError:
        return
    canonical_json(value)


def nested(depth: int, opening: str, closing: str) -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
@pytest.mark.parametrize("depth", [101, 450, 10_000, 1_000_000])
def test_deep_nesting_is_refused(depth: int, opening: str, closing: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_json(nested(depth, opening, closing), source="test")
    assert str(caught.value) == "test: nested too deeply"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_accepted_can_be_copied_and_written(opening: str, closing: str) -> None:
    content = nested(100, opening, closing)
    assert canonical_json(copy.deepcopy(parse_json(content, source="test"))) == content


DOCUMENT = {
    "text": "t", "number": 3, "negative": -1, "flag": True, "null": None, "list": ["a", 1], "texts": ["a", "b"],
    "map": {"k": "v"}, "bad map": {"k": "v", "k2": 2}, "objects": [{"x": 1}, {"x": 2}], "bad objects": [{}, 5],
    "digest": str(DIGEST), "fraction": 1.5,
}  # fmt: skip
FIELDS = Fields.of(DOCUMENT, source="url", location="layers[2].")


def test_values() -> None:
    assert FIELDS.get("text", str) == FIELDS.require("text", str) == "t"
    assert FIELDS.get("absent", str) is FIELDS.get("null", str) is None
    assert FIELDS.size("number") == 3
    assert FIELDS.digest("digest") == DIGEST
    assert FIELDS.strings("texts") == ["a", "b"]
    assert FIELDS.strings("absent") == FIELDS.strings("null") == []
    assert FIELDS.string_map("map") == {"k": "v"}
    assert FIELDS.string_map("absent") == {}
    assert list(FIELDS.objects("absent")) == []


def test_locations_grow_downwards() -> None:
    assert FIELDS.object("map").location == "layers[2].map."
    assert [inner.location for inner in FIELDS.objects("objects")] == ["layers[2].objects[0].", "layers[2].objects[1]."]


@pytest.mark.parametrize(
    ("access", "message"),
    [
        (lambda: FIELDS.require("absent", str), "layers[2].absent: missing, expected str"),
        (lambda: FIELDS.require("null", dict), "layers[2].null: missing, expected dict"),
        (lambda: FIELDS.get("text", int), "layers[2].text: expected int, got str"),
        (lambda: FIELDS.get("flag", int), "layers[2].flag: expected int, got bool"),
        (lambda: FIELDS.size("fraction"), "layers[2].fraction: expected int, got float"),
        (lambda: FIELDS.size("negative"), "layers[2].negative: expected a size in bytes, got -1"),
        (lambda: FIELDS.digest("text"), "layers[2].text: invalid digest 't'"),
        (lambda: FIELDS.strings("list"), "layers[2].list[1]: expected str, got int"),
        (lambda: FIELDS.strings("text"), "layers[2].text: expected list, got str"),
        (lambda: FIELDS.string_map("bad map"), "layers[2].bad map['k2']: expected str, got int"),
        (lambda: FIELDS.object("list"), "layers[2].list: expected dict, got list"),
        (lambda: list(FIELDS.objects("bad objects")), "layers[2].bad objects[1]: expected an object"),
        (lambda: Fields.parse(b"[]", source="url"), "top level: expected an object"),
    ],
)
def test_errors_name_the_place(access: Callable[[], object], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        access()
    assert str(caught.value) == f"url: {message}"

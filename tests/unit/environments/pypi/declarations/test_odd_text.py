"""Whatever a file holds, readers understand it or raise one of our own errors."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from docker_envs.environments.pypi.declarations.pylock import read_pylock
from docker_envs.environments.pypi.declarations.pyproject import read_pyproject
from docker_envs.environments.pypi.declarations.requirements_txt import read_requirements_txt
from docker_envs.environments.pypi.resolving.select import select_packages
from docker_envs.errors import DockerEnvsError
from tests.unit.environments.pypi.support import AMD64

WORDS = st.sampled_from(
    [
        *(
            "a",
            "b-1.0-py3-none-any.whl",
            "==1",
            ">=",
            "[x]",
            "[",
            "; os_name == 'x'",
            ";",
            "@",
            "file:",
            "file://",
            "//",
        ),
        *(
            "https://h/",
            "https://[",
            "git+",
            "-r",
            "-e",
            "-c",
            "--hash=",
            "sha256:00",
            "--pre",
            "-i",
            "=",
            "${A}",
            "${",
        ),
        *(" ", "\n", "\\\n", "\\", "#", "'", '"', "\0", "é", ".", "..", "/", "%", "%00", "~", "*", "\ud800", "!"),
    ]
)
TEXTS = st.lists(WORDS, max_size=12).map("".join)


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_lines(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requirements.txt")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(DockerEnvsError):
            read_requirements_txt(path, environ={"A": "x y"})


VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(0, 3), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "version", "url", "path", "hashes", "wheels", "include-group", "marker", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        kept = "".join(each for each in value if each.isprintable())
        return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


@given(VALUES, VALUES, VALUES)
@settings(max_examples=200, deadline=None)
def test_projects(first: object, second: object, third: object) -> None:
    text = (
        f"project = {{ name = {toml(first)}, dependencies = {toml(second)}, optional-dependencies = {toml(third)} }}\n"
        f"dependency-groups = {{ x = {toml(first)}, y = {toml(third)} }}\n"
        f"tool = {{ uv = {{ sources = {toml(second)} }} }}\n"
    )
    for wanted in ((), ("x",)):
        with contextlib.suppress(DockerEnvsError):
            read_pyproject(Path("/nowhere/pyproject.toml"), text, extras=wanted, groups=wanted)


@given(st.lists(VALUES, max_size=3), VALUES, VALUES)
@settings(max_examples=200, deadline=None)
def test_locks(packages: list[object], first: object, second: object) -> None:
    named = [
        {
            "name": "a",
            "version": "1",
            "wheels": [{"url": "https://h/a-1-py3-none-any.whl", "hashes": {"sha256": first}}],
        },
        {"name": "b", "version": first, "archive": {"url": second, "hashes": {"sha256": "00"}}},
        {"name": "c", "marker": second, "directory": {"path": first}},
    ]
    for listed in (packages, named, named[:1], named[1:2], named[2:]):
        text = f'lock-version = "1.0"\ncreated-by = "x"\npackages = {toml(listed)}\n'
        with contextlib.suppress(DockerEnvsError):
            lock = read_pylock(Path("/nowhere/pylock.toml"), text).lock
            assert lock is not None
            select_packages(lock, AMD64)

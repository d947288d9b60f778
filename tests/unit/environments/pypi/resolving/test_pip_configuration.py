"""Where pip is told to look, by its files and variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.pypi.declarations.declaration import PypiIndexes
from docker_envs.environments.pypi.resolving.pip_configuration import indexes_of_pip
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path


def configured(folder: Path, text: str, **variables: str) -> PypiIndexes:
    path = folder / "custom.conf"
    path.write_text(text)
    return indexes_of_pip({"HOME": str(folder), "PIP_CONFIG_FILE": str(path), **variables})


def test_files_and_variables(tmp_path: Path) -> None:
    links = tmp_path / "wheels"
    links.mkdir()
    text = (
        "[global]\nindex-url = https://one\nextra-index-url =\n  https://two\n  https://three\nno-index = false\n"
        f"find-links = {links} {tmp_path}/missing https://page\n[install]\nindex-url = https://four%20x\n"
        "[freeze]\nno-index = true\n"
    )
    assert configured(tmp_path, text) == PypiIndexes(
        "https://four%20x", ("https://two", "https://three"), (str(links), "https://page")
    )
    changed = configured(tmp_path, text, PIP_INDEX_URL="https://five", PIP_NO_INDEX="1")
    assert (changed.index_url, changed.no_index) == ("https://five", True)


def test_the_user_s_file_comes_before_the_named_one(tmp_path: Path) -> None:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://a\nextra-index-url=https://b\n"
    )
    assert configured(tmp_path, "[global]\nindex-url = https://c\n") == PypiIndexes("https://c", ("https://b",))


def test_who_has_told_uv_does_not_mean_pip(tmp_path: Path) -> None:
    text = "[global]\nindex-url = https://one\n"
    assert configured(tmp_path, text, UV_DEFAULT_INDEX="https://x") == PypiIndexes()
    (tmp_path / ".config" / "uv").mkdir(parents=True)
    (tmp_path / ".config" / "uv" / "uv.toml").write_text("")
    assert configured(tmp_path, text) == PypiIndexes()


def test_a_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read `.*custom\.conf`: File contains no section headers"):
        configured(tmp_path, "index-url = x\n")

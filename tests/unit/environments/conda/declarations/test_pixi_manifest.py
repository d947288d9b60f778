"""`pixi.toml` and `pyproject.toml`: environments put together as pixi does it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.conda.solving.solve_settings import SolveSettings, SolveStrategy
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from tests.declared import PACKAGES, write_declarations
from tests.unit.environments.conda.support import AMD64, ARM64, names, packages, read, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.conda.declarations.declaration import Declaration
    from docker_envs.oci.descriptor import Platform

HEAD = '[workspace]\nchannels = ["c"]\nplatforms = ["linux-64", "linux-aarch64"]\n'
PYPI_HINT = "hint: name their conda packages instead, most of PyPI is on conda-forge"


def declare(folder: Path, text: str, environment: str = "default", platform: Platform = AMD64) -> Declaration:
    path = folder / "pixi.toml"
    path.write_text(text if text.startswith("[workspace]") else HEAD + text)
    return read(path, environment, platform)


def specs(folder: Path, text: str, environment: str = "default", platform: Platform = AMD64) -> set[str]:
    return set(declare(folder, text, environment, platform).specs)


def test_later_targets_overwrite_earlier_ones(tmp_path: Path) -> None:
    text = """[dependencies]
a = "1"
b = "1"
[target.unix.dependencies]
a = "2"
[target.linux-64.dependencies]
a = "3"
[target.linux.dependencies]
b = "4"
[target.win.dependencies]
c = "*"
"""
    assert specs(tmp_path, text) == {'a[version="3"]', 'b[version="4"]'}
    assert specs(tmp_path, text, platform=ARM64) == {'a[version="2"]', 'b[version="4"]'}


def test_features_add_their_specs_to_each_other(tmp_path: Path) -> None:
    text = """[dependencies]
a = ">=1"
[feature.x.dependencies]
a = "<3"
[feature.x.build-dependencies]
cmake = "*"
[feature.y.dependencies]
b = "*"
[environments]
both = ["x", "y"]
alone = { features = ["y"], no-default-feature = true }
inline = { dependencies = { c = "*" }, no-default-feature = true }
"""
    assert specs(tmp_path, text, "both") == {'a[version=">=1"]', 'a[version="<3"]', "cmake", "b"}
    assert specs(tmp_path, text, "alone") == {"b"}
    assert specs(tmp_path, text, "inline") == {"c"}
    assert specs(tmp_path, text) == {'a[version=">=1"]'}


def test_specs_may_be_tables_and_inherited(tmp_path: Path) -> None:
    text = """[workspace]
channels = ["c"]
platforms = ["linux-64"]
[workspace.dependencies]
pooled = { version = "2.*", channel = "d" }
[dependencies]
a = { version = ">=1", build = "py*", channel = "conda-forge", build-number = ">2", subdir = "noarch" }
b = { url = "https://h/c/linux-64/b-1.0-0.conda", md5 = "d7c89558ba9fa0495403155b64376d81" }
c = { path = "built/c-1.0-0.conda" }
e = { extras = ["x", "y"] }
pooled = { workspace = true, build = "h*" }
"""
    assert specs(tmp_path, text) == {
        'a[version=">=1",build="py*",channel="conda-forge",build_number=">2",subdir="noarch"]',
        'b[url="https://h/c/linux-64/b-1.0-0.conda",md5="d7c89558ba9fa0495403155b64376d81"]',
        f'c[url="{(tmp_path / "built/c-1.0-0.conda").as_uri()}"]',
        "e[extras=[x, y]]",
        'pooled[version="2.*",channel="d",build="h*"]',
    }


def test_channels_are_those_of_the_features_by_priority(tmp_path: Path) -> None:
    text = """[workspace]
channels = ["c", "./mine", {channel = "first", priority = 1}]
platforms = ["linux-64"]
[feature.x]
channels = ["nvidia", {channel = "last", priority = -1}]
[environments]
x = ["x"]
"""
    assert declare(tmp_path, text).channels == ("first", "c", (tmp_path / "mine").as_uri())
    assert declare(tmp_path, text, "x").channels == ("first", "nvidia", "c", (tmp_path / "mine").as_uri(), "last")


def test_settings_come_from_workspace_and_features(tmp_path: Path) -> None:
    text = (
        HEAD
        + """channel-priority = "disabled"
exclude-newer = "2024-05-01"
[constraints]
a = "<3"
[feature.low]
solve-strategy = "lowest"
channel-priority = "strict"
[environments]
low = ["low"]
"""
    )
    limit = datetime(2024, 5, 2, tzinfo=UTC)
    constraints = ('a[version="<3"]',)
    assert declare(tmp_path, text).settings == SolveSettings(
        ChannelPriority.DISABLED, SolveStrategy.HIGHEST, constraints, limit
    )
    assert declare(tmp_path, text, "low").settings == SolveSettings(
        ChannelPriority.STRICT, SolveStrategy.LOWEST, constraints, limit
    )
    text = text.replace('"2024-05-01"', '"1w2d"')
    assert declare(tmp_path, text).settings.exclude_newer == timedelta(days=9)


def test_system_requirements_are_virtual_packages(tmp_path: Path) -> None:
    text = """[system-requirements]
linux = "5.10"
libc = "2.31"
cuda = "11"
archspec = "x86_64"
[feature.new.system-requirements]
libc = { family = "glibc", version = "2.36" }
cuda = "9.2"
[environments]
new = ["new"]
"""
    assert declare(tmp_path, text).virtual_packages == (
        VirtualPackage("__cuda", "11"),
        VirtualPackage("__glibc", "2.31"),
        VirtualPackage("__linux", "5.10"),
    )
    assert VirtualPackage("__glibc", "2.36") in declare(tmp_path, text, "new").virtual_packages
    assert VirtualPackage("__cuda", "11") in declare(tmp_path, text, "new").virtual_packages


def test_platforms_may_say_what_they_have(tmp_path: Path) -> None:
    text = """[workspace]
channels = ["c"]
platforms = [{ name = "gpu", platform = "linux-64", cuda = "12.0", glibc = "2.28" }, "osx-64"]
[target.gpu.dependencies]
a = "*"
"""
    declared = declare(tmp_path, text)
    assert declared.specs == ("a",)
    assert declared.virtual_packages == (VirtualPackage("__cuda", "12.0"), VirtualPackage("__glibc", "2.28"))


def test_variables_of_more_specific_places_hold(tmp_path: Path) -> None:
    text = """[activation]
env = { A = "default", B = "default", C = "$CONDA_PREFIX/x" }
scripts = ["setup.sh"]
[target.linux.activation]
env = { B = "linux" }
[feature.x.activation]
env = { A = "feature" }
[environments]
x = ["x"]
"""
    assert declare(tmp_path, text).variables == {"A": "default", "B": "linux", "C": "$CONDA_PREFIX/x"}
    declared = declare(tmp_path, text, "x")
    assert declared.variables == {"A": "feature", "B": "linux", "C": "$CONDA_PREFIX/x"}
    path = tmp_path / "pixi.toml"
    assert declared.notes == (
        f"{path}: the activation script `setup.sh` is not run",
        f"{path}: the variable `C` is taken as it is written, `$` in it means nothing",
    )


def test_requires_python_counts_where_no_dependency_says_more(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    text = '[project]\nrequires-python = ">=3.11"\n[tool.pixi.project]\nchannels=["c"]\nplatforms=["linux-64"]\n'
    path.write_text(text)
    assert read(path).specs == ('python[version=">=3.11"]',)
    path.write_text(text + '[tool.pixi.dependencies]\npython = "3.12.*"\n')
    assert read(path).specs == ('python[version="3.12.*"]',)


class TestLock:
    """The `pixi.lock` beside a manifest."""

    @pytest.fixture
    def manifest(self, tmp_path: Path, channel: Path) -> Path:
        folder = write_declarations(tmp_path / "declared", channel)
        # The lock's environment `default` is the manifest's `full`.
        text = (folder / "pixi.lock").read_text().replace("  default:\n", "  full:\n")
        (folder / "workspace/pixi.lock").write_text(text)
        return folder / "workspace/pixi.toml"

    def test_a_fresh_one_is_used(self, manifest: Path) -> None:
        declared = read(manifest, "full")
        assert names(declared.packages or ()) == list(PACKAGES)
        assert declared.variables == {"GREETING": "hello", "VERSION": "1.10"}
        assert declared.notes[-1] == f"packages are those of `{manifest.parent / 'pixi.lock'}`"

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ('purelib = { version = ">=2,<3"', 'purelib = { version = ">=3"', "no package in it satisfies"),
            ('hello-sh = "*"', 'hello-sh = "*"\nlinks = "*"', "no package in it satisfies `links`"),
            ('channels = ["', 'channels = ["conda-forge", "', "its channels are others"),
            ("full = {", "full = { solve-strategy = 'lowest',", None),
        ],
        ids=["version", "package", "channels", "same"],
    )
    def test_a_stale_one_is_not(self, manifest: Path, old: str, new: str, reason: str | None) -> None:
        text = manifest.read_text()
        assert old in text
        manifest.write_text(text.replace(old, new, 1))
        declared = read(manifest, "full")
        assert (declared.packages is None) == (reason is not None)
        if reason is not None:
            lock = manifest.parent / "pixi.lock"
            assert declared.notes[-1].startswith(f"`{lock}` does not fit `pixi.toml`, so it is not used: {reason}")

    def test_one_without_the_environment_is_not(self, manifest: Path) -> None:
        declared = read(manifest)
        assert declared.packages is None
        assert declared.notes[-1].endswith("so it is not used: has no environment `default`")

    def test_a_package_of_another_channel_does_not_satisfy(self, manifest: Path, channel: Path, tmp_path: Path) -> None:
        other = shutil.copytree(channel, tmp_path / "other")
        text = manifest.read_text()
        manifest.write_text(text.replace(f'channel = "{channel.as_uri()}"', f'channel = "{other.as_uri()}"'))
        assert read(manifest, "full").packages is None


def test_what_is_solved_has_what_the_platform_has(tmp_path: Path, channel: Path) -> None:
    folder = write_declarations(tmp_path / "declared", channel)
    assert names(packages(read(folder / "workspace/pixi.toml", "gpu"), tmp_path)) == ["cuda-tool-1.0-0"]


REFUSED = {
    "syntax": ("[dependencies]\na = \n", "pixi.toml:5:5: not valid TOML: invalid value"),
    "end": ("[dependencies", "pixi.toml:4:14: not valid TOML: expected ']' at the end of a table declaration"),
    "key twice": ("[dependencies]\na = '1'\na = '2'\n", "pixi.toml:6:8: not valid TOML: cannot overwrite a value"),
    "table": ("[dependancies]\n", "pixi.toml: unknown key `dependancies`\nhint: did you mean `dependencies`?"),
    "feature": (
        "[feature.x]\nchanels = []\n[environments]\ndefault = ['x']\n",
        "pixi.toml: unknown key `feature.x.chanels`\nhint: did you mean `channels`?",
    ),
    "target": (
        "[target.linux]\ndependency = {}\n",
        "pixi.toml: unknown key `target.linux.dependency`\nhint: did you mean `dependencies`?",
    ),
    "spec table": (
        "[dependencies]\na = { verison = '1' }\n",
        "pixi.toml: unknown key `dependencies.a.verison`\nhint: did you mean `version`?",
    ),
    "spec": (
        "[dependencies]\na = '>=1.'\n",
        "pixi.toml: dependencies.a: invalid match spec 'a[version=\">=1.\"]': ",
    ),
    "a number": ("[dependencies]\na = 1\n", "pixi.toml: dependencies.a: expected dict, got int"),
    "git": (
        "[dependencies]\na = { git = 'https://h/a.git' }\n",
        (
            "pixi.toml: dependencies.a: packages that have to be built from their source are not supported\n"
            "hint: build it, put it into a channel, and depend on it there"
        ),
    ),
    "pypi": (
        "[pypi-dependencies]\nflask = '*'\n",
        (
            "pixi.toml: environment `default` needs packages from PyPI (`flask`), which are not supported yet\n"
            f"{PYPI_HINT}"
        ),
    ),
    "priority": (
        "channel-priority = 'loose'\n",
        (
            "pixi.toml: workspace.channel-priority: unknown value `loose`\n"
            "hint: known are `disabled`, `flexible`, `strict`"
        ),
    ),
    "exclude-newer": (
        "exclude-newer = 'soon'\n",
        "pixi.toml: workspace.exclude-newer: expected a date or a duration such as 7d, got 'soon'",
    ),
    "unknown feature": (
        "[feature.test]\n[environments]\ndefault = ['tset']\n",
        "pixi.toml: environments.default.features: has no feature `tset`\nhint: did you mean `test`?",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    found = refusal(tmp_path, "pixi.toml", HEAD + text)
    # The rest is rattler's.
    assert found.startswith(message) if message.endswith(": ") else found == message


def test_environments_and_platforms_must_be_known(tmp_path: Path) -> None:
    text = HEAD + "[environments]\ntest = []\n"
    assert refusal(tmp_path, "pixi.toml", text, "tets") == (
        "pixi.toml: has no environment `tets`\nhint: did you mean `test`?"
    )
    text = '[workspace]\nchannels = []\nplatforms = ["linux-64", "osx-arm64"]\n'
    assert refusal(tmp_path, "pixi.toml", text, platform=ARM64) == (
        "pixi.toml: environment `default` is not for `linux-aarch64`, only for `linux-64`, `osx-arm64`\n"
        "hint: add it to `platforms`, or choose another with `--platform`"
    )
    assert refusal(tmp_path, "pixi.toml", text.replace("osx-arm64", "osx-amr64")) == (
        "pixi.toml: workspace.platforms[1]: unknown platform `osx-amr64`\nhint: did you mean `osx-arm64`?"
    )
    assert refusal(tmp_path, "pixi.toml", "[package]\nname = 'x'\n") == (
        "pixi.toml: has no `[workspace]`\nhint: only workspaces have environments"
    )


def test_requirements_of_a_python_project_are_from_pypi(tmp_path: Path) -> None:
    pixi = '[tool.pixi.workspace]\nchannels = ["c"]\nplatforms = ["linux-64"]\n'
    text = f'[project]\nname = "x"\ndependencies = ["flask"]\n{pixi}'
    assert refusal(tmp_path, "pyproject.toml", text) == (
        "pyproject.toml: environment `default` needs packages from PyPI (`flask`), which are not "
        f"supported yet\n{PYPI_HINT}"
    )
    text = (
        f'[project]\nname = "x"\n[dependency-groups]\ntest = ["pytest"]\n{pixi}[tool.pixi.environments]\nt = ["test"]\n'
    )
    assert "needs packages from PyPI" in refusal(tmp_path, "pyproject.toml", text, "t")
    assert read(tmp_path / "pyproject.toml").specs == ("python",)

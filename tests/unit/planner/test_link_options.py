"""Options of linking enter a layer's key as far as they change its bytes, and a plan tells what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.filters import Filter
from docker_envs.environments.findings import Finding
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import make_plan
from tests.packages.build import PackageSpec, text
from tests.packages.channel import CLOBBERING, FILES, RUNNABLE, SCRIPTS, SPECIAL
from tests.unit.environments.conda.linked import link, make, read_package

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.digest import Digest

DEFAULTS = LinkOptions()
FIXTURES = (*FILES, *SPECIAL, *SCRIPTS, *CLOBBERING, *(spec for spec in RUNNABLE if spec.version == "3.11.4"))


def keys(folder: Path, options: LinkOptions, *specs: PackageSpec) -> dict[str, Digest]:
    conda = make([read_package(folder, spec) for spec in specs], options)
    plan = make_plan(PlannedEnvironment(conda), budget=64, compression=CompressionSetting())
    return {layer.packages[0].name: layer.key for layer in plan.layers}


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (LinkOptions("/opt/other"), {"lib", "doc"}),
        (LinkOptions(filters=frozenset({Filter.DOCS})), {"doc"}),
        (LinkOptions(filters=frozenset({Filter.LOCALES})), set()),
        (LinkOptions(keep_setuid=True), {"lib", "doc"}),
    ],
)
def test_keys(tmp_path: Path, changed: LinkOptions, names: set[str]) -> None:
    specs = PackageSpec("lib", files={"lib/a": text("")}), PackageSpec("doc", files={"share/doc/a": text("")})
    before, after = (keys(tmp_path, options, *specs) for options in (DEFAULTS, changed))
    assert {name for name in before if before[name] != after[name]} == names


def test_the_same_paths_left_out_for_another_reason_are_the_same_layer(tmp_path: Path) -> None:
    doc = PackageSpec("doc", files={"share/doc/a": text(""), "share/a": text("")})
    winner = PackageSpec("winner", files={"share/doc/a": text("")})
    filtered = keys(tmp_path, LinkOptions(filters=frozenset({Filter.DOCS})), doc)
    assert keys(tmp_path, DEFAULTS, doc, winner)["doc"] == filtered["doc"] != keys(tmp_path, DEFAULTS, doc)["doc"]


def test_all_filters_leave_only_files_out(tmp_path: Path) -> None:
    """Of every fixture: the same entries, less those that are counted as saved."""
    whole = link(tmp_path / "whole", *FIXTURES)
    options = LinkOptions(whole.conda.packages[0].link.prefix, frozenset(Filter))
    made = link(tmp_path / "less", *FIXTURES, options=options)
    left_out = whole.files.keys() - made.files.keys()
    assert made.files.keys() < whole.files.keys()
    assert len(left_out) == sum(saving.files for saving in made.conda.savings)
    assert {saving.filter for saving in made.conda.savings} == set(Filter)
    assert all(made.files[path].content == whole.files[path].content or path in MATERIALISED for path in made.files)


#: A hard link to a file that is left out becomes a file.
MATERIALISED = {"share/trimmable/manual.txt"}


def test_findings_are_data(tmp_path: Path) -> None:
    findings = link(tmp_path, *FIXTURES).conda.findings
    assert {finding.kind.value for finding in findings} == {"clobber", "case-conflict", "link-script"}
    documents = msgspec.to_builtins(findings)
    assert documents[0].keys() == {"kind", "package", "path", "text"}
    assert msgspec.convert(documents, tuple[Finding, ...]) == findings

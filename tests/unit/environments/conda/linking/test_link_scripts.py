"""Which scripts an installer would run, and what leaving them unrun means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.conda.linking.link_scripts import Verdict, find_link_scripts
from docker_envs.environments.findings import Finding, FindingKind
from tests.packages.build import PackageSpec, Symlink, text
from tests.unit.environments.conda.linked import Linked, link

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node

SCRIPT = text("#!/bin/sh\ntouch $PREFIX/ran\n", 0o755)


@pytest.mark.parametrize(
    ("path", "phase"),
    [
        ("bin/.made-post-link.sh", "post-link"),
        ("bin/.made-pre-link.sh", "pre-link"),
        ("bin/.made-pre-unlink.sh", "pre-unlink"),
        ("bin/.other-post-link.sh", None),
        ("bin/made-post-link.sh", None),
        ("Scripts/.made-post-link.bat", None),
        ("share/bin/.made-post-link.sh", None),
    ],
)
def test_scripts_are_known_by_their_names(path: str, phase: str | None) -> None:
    found = find_link_scripts("made", [path, "bin/made"])
    assert [(script.path, script.phase) for script in found] == ([(path, phase)] if phase else [])


@pytest.mark.parametrize(
    ("package", "phase", "verdict"),
    [
        ("mkl", "post-link", Verdict.HARMLESS),
        ("font-ttf-ubuntu", "post-link", Verdict.HARMLESS),
        ("ca-certificates", "post-link", Verdict.EMULATED),
        ("graphviz", "post-link", Verdict.ATTENTION),
        ("gtk3", "post-link", Verdict.ATTENTION),
        ("bioconductor-genomeinfodbdata", "post-link", Verdict.ATTENTION),
        ("unknown", "post-link", Verdict.ATTENTION),
        ("unknown", "pre-link", Verdict.ATTENTION),
        ("unknown", "pre-unlink", Verdict.HARMLESS),
        ("graphviz", "pre-unlink", Verdict.HARMLESS),
    ],
)
def test_verdicts(package: str, phase: str, verdict: Verdict) -> None:
    (script,) = find_link_scripts(package, [f"bin/.{package}-{phase}.sh"])
    assert script.verdict is verdict
    assert script.reason


def test_a_plan_tells_which_scripts_may_be_missed(tmp_path: Path) -> None:
    specs = [
        PackageSpec(name, files={f"bin/.{name}-post-link.sh": SCRIPT, f"bin/.{name}-pre-unlink.sh": SCRIPT})
        for name in ("mkl", "strange")
    ]
    conda = link(tmp_path, *specs).conda
    assert [script.path for script in conda.unhandled_scripts] == ["bin/.strange-post-link.sh"]
    assert [(finding.kind, finding.path) for finding in conda.findings] == [
        (FindingKind.LINK_SCRIPT, f"bin/.{name}-{phase}.sh")
        for name in ("mkl", "strange")
        for phase in ("post-link", "pre-unlink")
    ]
    text = "is not run (needs attention): what it does is not known"
    assert conda.findings[2] == Finding(FindingKind.LINK_SCRIPT, "strange", "bin/.strange-post-link.sh", text)


def test_a_script_of_a_python_package_is_where_it_would_be_run(tmp_path: Path) -> None:
    files = {"python-scripts/.made-post-link.sh": SCRIPT}
    conda = link(tmp_path, PackageSpec("python", "3.11.4"), PackageSpec("made", files=files, noarch="python")).conda
    assert [script.path for script in conda.unhandled_scripts] == ["bin/.made-post-link.sh"]


@pytest.mark.parametrize("has_script", [True, False])
@pytest.mark.parametrize("has_link", [True, False])
def test_links_to_certificates_are_made_as_the_script_would(tmp_path: Path, has_script: bool, has_link: bool) -> None:
    files: dict[str, Node] = {
        "ssl/cacert.pem": text("certificates\n"),
        **({"bin/.ca-certificates-post-link.sh": SCRIPT} if has_script else {}),
        **({"ssl/cert.pem": Symlink("other.pem")} if has_link else {}),
    }
    made = link(tmp_path, PackageSpec("ca-certificates", files=files))
    assert made.conda.unhandled_scripts == ()
    assert made.files.keys() == {*files, *(["ssl/cert.pem"] if has_script else [])}
    if has_link or has_script:
        assert made.files["ssl/cert.pem"] == Linked(Kind.SYMLINK, 0o777, link="other.pem" if has_link else "cacert.pem")
    assert made.records["ca-certificates"].keys() == files.keys()

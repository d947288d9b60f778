"""Packages that change the environment when it is activated."""

from __future__ import annotations

from tests.packages.build import PLACEHOLDER, PackageSpec, Symlink, text

ACTIVATING = (
    PackageSpec(
        "activated-at-start",
        files={
            "etc/conda/activate.d/at-start.sh": text(
                'AT_START="$(cat "$CONDA_PREFIX/share/at-start/value.txt")"\nexport AT_START\n'
            ),
            "share/at-start/value.txt": text("two  words, read at the start\n"),
        },
    ),
    PackageSpec(
        "activated-values",
        files={
            "etc/conda/activate.d/values.sh": text(
                f"export VALUE_QUOTES='it is \"quoted\"'\"'\"'s'\nexport VALUE_PREFIX={PLACEHOLDER}/share\n"
            ),
            "etc/conda/env_vars.d/values.json": text(
                '{"VALUE_LINES": "one\\ntwo \\\\ $HOME `id`", "VALUE_UNICODE": "grün 日本 😀"}\n'
            ),
        },
    ),
    PackageSpec(
        "activated-linked",
        files={
            "etc/conda/activate.d/inside.sh": Symlink("../../../share/linked/inside.sh"),
            "etc/conda/activate.d/outside.sh": Symlink("/etc/profile.d/outside.sh"),
            "share/linked/inside.sh": text(f"export LINKED_INSIDE={PLACEHOLDER}/inside\n"),
        },
    ),
    PackageSpec("activated-copy-a", files={"etc/conda/activate.d/copy.sh": text('export COPY="${COPY:-}a"\n')}),
    PackageSpec("activated-copy-b", files={"etc/conda/activate.d/copy.sh": text('export COPY="${COPY:-}b"\n')}),
)

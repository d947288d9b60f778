"""The fixture channel: a few dozen tiny packages, each there for one corner of the conda formats."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.packages.activating import ACTIVATING
from tests.packages.build import (
    OLD_PLACEHOLDER,
    PLACEHOLDER,
    Directory,
    File,
    Hardlink,
    PackageSpec,
    Symlink,
    binary,
    text,
    write_channel,
)

if TYPE_CHECKING:
    from pathlib import Path

HELLO_SCRIPT = f"""#!/bin/sh
# installed in {PLACEHOLDER}
read -r where < {PLACEHOLDER}/share/greeting/prefix.txt
echo "hello from $where"
"""

# A script can be the interpreter of a script, so this stands in for Python: it tells what it was asked to run.
PYTHON_SCRIPT = f"""#!/bin/sh
echo "python of {PLACEHOLDER} runs $*"
"""

RUNNABLE = (
    PackageSpec("greeting", "1.1", {"share/greeting/prefix.txt": text(f"{PLACEHOLDER}\n")}),
    PackageSpec(
        "greeting",
        "1.2",
        {"share/greeting/prefix.txt": text(f"{PLACEHOLDER}\n"), "share/greeting/new.txt": text("since 1.2\n")},
        index={"license": "MIT", "license_family": "MIT", "constrains": ["hello-sh >=1.0"], "build_number": 3},
        run_exports={"weak": ["greeting >=1.2,<2.0a0"], "strong": ["hello-sh"]},
        build="h1234567_3",
    ),
    PackageSpec("hello-sh", "1.0", {"bin/hello": text(HELLO_SCRIPT, 0o755)}, ("greeting >=1.1",)),
    PackageSpec(
        "python",
        "3.11.4",
        {
            "bin/python": Symlink("python3.11"),
            "bin/python3": Symlink("python3.11"),
            "bin/python3.11": text(PYTHON_SCRIPT, 0o755),
            "lib/libpython3.11.so.1.0": binary(f"{PLACEHOLDER}/lib"),
            "lib/python3.11/os.py": text(f"prefix = '{PLACEHOLDER}'\n"),
            "lib/python3.11/site-packages/README.txt": text("third-party modules live here\n"),
        },
        build="fake_0_cpython",
    ),
    PackageSpec(
        "python",
        "3.13.1",
        {
            "bin/python": Symlink("python3.13t"),
            "bin/python3.13t": text(PYTHON_SCRIPT, 0o755),
            "lib/python3.13t/site-packages/README.txt": text("third-party modules live here\n"),
        },
        build="fake_0_cp313t",
        # Free-threaded builds say where their site-packages are (CEP 17).
        index={"python_site_packages_path": "lib/python3.13t/site-packages"},
    ),
)

PYTHON_LIBRARIES = (
    PackageSpec(
        "purelib",
        "2.0",
        {
            "site-packages/purelib/__init__.py": text(f"BUILT_IN = '{PLACEHOLDER}'\n"),
            "site-packages/purelib/cli.py": text("def main():\n    print('purelib')\n"),
            "site-packages/purelib/template.py": text("class {{ name }}:\n    pass\n"),
            "site-packages/purelib-2.0.dist-info/METADATA": text(
                "Metadata-Version: 2.1\nName: purelib\nVersion: 2.0\n"
            ),
            "site-packages/purelib-2.0.dist-info/entry_points.txt": text(
                "[console_scripts]\npure = purelib.cli:main\n"
            ),
            "python-scripts/purelib-script": text(f"#!{PLACEHOLDER}/bin/python\nprint('script')\n", 0o755),
            "share/purelib/outside.txt": text(f"{PLACEHOLDER}\n"),
        },
        ("python >=3.8",),
        noarch="python",
        build="pyh0000000_0",
        entry_points=("pure = purelib.cli:main", "pure-nested = purelib.cli:Commands.run"),
    ),
    PackageSpec(
        "shebangs",
        files={
            "bin/shebang-sh": text(f"#!{PLACEHOLDER}/bin/sh -e\necho sh\n", 0o755),
            "bin/shebang-python": text(f"#!{PLACEHOLDER}/bin/python3.11\nprint(1)\n", 0o755),
            "bin/shebang-flags": text(f"#!{PLACEHOLDER}/bin/python3.11 -Is\nprint(1)\n", 0o755),
            "bin/shebang-space": text(f"#! {PLACEHOLDER}/bin/python\nprint('{PLACEHOLDER}')\n", 0o755),
            "bin/shebang-env": text("#!/usr/bin/env python3.11\nprint(1)\n", 0o755),
            "bin/shebang-latin1": File(f"#!{PLACEHOLDER}/bin/python\n# ".encode() + b"gr\xfcn\n", 0o755, PLACEHOLDER),
        },
        depends=("python 3.11.*",),
    ),
)

PLACEHOLDERS = (
    PackageSpec(
        "binary-prefix",
        files={
            "lib/two-in-one.so": binary(f"-L{PLACEHOLDER}/lib:{PLACEHOLDER}/lib64", "neighbour"),
            "lib/strings.so": binary(PLACEHOLDER, f"{PLACEHOLDER}/lib\0\0\0", f"/ünï{PLACEHOLDER}", "none"),
            "lib/unterminated.so": File(f"\0{PLACEHOLDER}/at the end".encode(), 0o755, PLACEHOLDER),
        },
    ),
    PackageSpec(
        "text-prefix",
        files={
            "etc/several.conf": text(f"PATH={PLACEHOLDER}/bin:{PLACEHOLDER}/sbin\nroot = {PLACEHOLDER}\n" * 3),
            "etc/crlf.conf": text(f"a = {PLACEHOLDER}/a\r\nb = {PLACEHOLDER}/b\r\n"),
            "etc/unterminated.conf": text(f"root = {PLACEHOLDER}"),
            "etc/latin1.conf": File(b"gr\xfcn = " + PLACEHOLDER.encode() + b"\n", placeholder=PLACEHOLDER),
            "etc/marked-without.conf": File(b"no prefix here\n", placeholder=PLACEHOLDER),
            # Longer than any read buffer, so that some placeholder straddles two reads.
            "etc/many.conf": text(f"x = {PLACEHOLDER}/x\n" * 1500),
        },
        info_first=True,
    ),
)

LONG_FOLDER = "a-folder-with-a-long-name-" * 2

FILES = (
    PackageSpec(
        "links",
        files={
            "share/links/file.txt": text("target\n"),
            "share/links/folder/inside.txt": text("inside\n"),
            "share/links/hard.txt": Hardlink("share/links/file.txt"),
            "share/links/prefix.txt": text(f"{PLACEHOLDER}\n"),
            "share/links/prefix2.txt": Hardlink("share/links/prefix.txt"),
            "share/links/to-file": Symlink("file.txt"),
            "share/links/to-folder": Symlink("folder"),
            "share/links/up-and-down": Symlink("../links/folder/inside.txt"),
            "share/links/chain": Symlink("to-file"),
            "share/links/dangling": Symlink("no/such/file"),
            "share/links/outside": Symlink("/etc/hostname"),
        },
    ),
    PackageSpec(
        "modes",
        files={
            f"share/modes/{mode:04o}": text(f"{mode:o}\n", mode) for mode in (0o644, 0o755, 0o600, 0o444, 0o664, 0o700)
        }
        | {
            "bin/setuid": text("#!/bin/sh\n", 0o4755),
            "bin/read-only-prefix": text(f"#!/bin/sh\necho {PLACEHOLDER}\n", 0o555),
            "share/modes/empty": text(""),
        },
    ),
    PackageSpec(
        "names",
        files={
            path: text(f"{number}\n")
            for number, path in enumerate(
                (
                    f"share/names/{LONG_FOLDER * 2}/over-100-bytes",
                    "share/names/" + "/".join([LONG_FOLDER] * 5) + "/over-255-bytes",
                    "share/names/" + "n" * 251 + ".txt",
                    "share/names/with space.txt",
                    'share/names/quote\'s "double" $HOME \\ back.txt',
                    "share/names/composed-é.txt",
                    "share/names/decomposed-e\u0301.txt",
                    "share/names/日本語-😀.txt",
                    "share/names/case.txt",
                    "share/names/CASE.txt",
                )
            )
        }
        | {
            f"share/names/prefix in {'ü' * 50}.txt": text(f"{PLACEHOLDER}\n"),
            f"share/names/{'long-' * 20}link": Symlink("/".join([LONG_FOLDER] * 5) + "/over-255-bytes"),
        },
    ),
    PackageSpec("noise", files={"share/noise.bin": File(hashlib.shake_128(b"noise").digest(3 << 20))}),
    PackageSpec(
        "unlisted",
        files={
            "share/unlisted/listed.txt": text("in paths.json\n"),
            "share/unlisted/unlisted.txt": File(b"in the archive only: not linked\n", listed=False),
        },
    ),
    PackageSpec("copied", files={"share/copied.txt": File(b"never hard-linked from a cache\n", no_link=True)}),
)

SPECIAL = (
    PackageSpec(
        "hard-links",
        files={
            "share/hard/a.txt": text("one inode\n"),
            "share/hard/b.txt": Hardlink("share/hard/a.txt"),
            "share/hard/c.txt": Hardlink("share/hard/b.txt"),
            "share/hard/copied-a.txt": File(b"a copy each\n", no_link=True),
            "share/hard/copied-b.txt": Hardlink("share/hard/copied-a.txt"),
            "share/hard/tool-a": File(b"#!/bin/sh\n", 0o755, listed=False),
            "share/hard/tool-b": Hardlink("share/hard/tool-a"),
            "share/hard/tool-c": Hardlink("share/hard/tool-a"),
        },
    ),
    PackageSpec(
        "absolute-links",
        files={
            "share/absolute/placeholder": Symlink(f"{PLACEHOLDER}/share/absolute/file.txt"),
            "share/absolute/file.txt": text("the link to it is not rewritten\n"),
            "share/absolute/up": Symlink("../../../../etc/hostname"),
        },
    ),
    PackageSpec(
        "attributes",
        files={
            "bin/attributed": File(
                b"#!/bin/sh\n", 0o2755, xattrs={"user.origin": "fixture", "security.selinux": "system_u:object_r:bin_t"}
            )
        },
    ),
    PackageSpec(
        "trimmable",
        files={
            "include/trimmable.h": text("#pragma once\n"),
            "lib/libtrimmable.a": File(b"!<arch>\n"),
            "share/doc/trimmable/LICENSE": text("do as you please\n"),
            "share/doc/trimmable/manual.txt": text("long\n" * 20),
            "share/locale/de/LC_MESSAGES/trimmable.mo": File(b"\xde\x12\x04\x95"),
            "share/man/man1/trimmable.1": Hardlink("share/doc/trimmable/manual.txt"),
            "share/trimmable/app.js.map": text("{}\n"),
            "share/trimmable/manual.txt": Hardlink("share/doc/trimmable/manual.txt"),
        },
    ),
)

PYPY = (
    PackageSpec(
        "pypy3.9",
        "7.3.13",
        {
            "bin/pypy3.9": text(PYTHON_SCRIPT, 0o755),
            "bin/pypy3": Symlink("pypy3.9"),
            "bin/python3.9": Symlink("pypy3.9"),
            "lib/pypy3.9/site-packages": Symlink("../python3.9/site-packages"),
            "lib/python3.9/site-packages/README.txt": text("shared with CPython's packages\n"),
        },
        build="hfake_0",
    ),
    PackageSpec("python", "3.9.18", depends=("pypy3.9 7.3.13.*",), build="0_73_pypy"),
)
"""PyPy, whose package `python` is empty, and says where modules go."""

FORMATS = (
    PackageSpec(
        "older",
        files={
            "share/older/prefix.txt": text(f"{PLACEHOLDER}\n"),
            "share/older/first.txt": text("first\n"),
            "share/older/second.txt": Hardlink("share/older/first.txt"),
            "share/older/copied.txt": File(b"copied\n", no_softlink=True),
            "share/older/link.txt": Symlink("first.txt"),
        },
        formats=(".tar.bz2",),
        legacy=True,
    ),
    PackageSpec(
        "legacy",
        files={
            "share/legacy/implied.txt": text(f"{OLD_PLACEHOLDER}/bin\n", placeholder=OLD_PLACEHOLDER),
            "share/legacy/prefix.txt": text(f"{PLACEHOLDER}/bin\n"),
            "share/legacy/with space.txt": text(f"{PLACEHOLDER}/bin\n"),
            "share/legacy/binary.bin": binary(f"{PLACEHOLDER}/lib"),
            "share/legacy/copied.txt": File(b"copied\n", no_link=True),
            "share/legacy/link.txt": Symlink("prefix.txt"),
        },
        formats=(".tar.bz2",),
        legacy=True,
    ),
    PackageSpec("bz2-only", files={"share/bz2-only.txt": text(f"{PLACEHOLDER}\n")}, formats=(".tar.bz2",)),
    PackageSpec("both-formats", files={"share/both.txt": text(f"{PLACEHOLDER}\n")}, formats=(".tar.bz2", ".conda")),
    PackageSpec("meta", depends=("hello-sh", "generic"), noarch="generic"),
    PackageSpec("generic", files={"share/generic.txt": text(f"{PLACEHOLDER}\n")}, noarch="generic", build="h0_0"),
)

SCRIPTS = (
    PackageSpec(
        "post-link",
        files={
            "bin/.post-link-post-link.sh": text('#!/bin/sh\ntouch "$PREFIX/post-link-ran"\n', 0o755),
            "share/post-link.txt": text("linked\n"),
        },
    ),
    PackageSpec(
        "activated",
        files={
            "etc/conda/activate.d/activated.sh": text(
                f'export ACTIVATED_HOME="$CONDA_PREFIX/share/activated"\nexport ACTIVATED_PREFIX="{PLACEHOLDER}"\n'
            ),
            "etc/conda/deactivate.d/activated.sh": text("unset ACTIVATED_HOME ACTIVATED_PREFIX\n"),
            "etc/conda/env_vars.d/activated.json": text('{"ACTIVATED_JSON": "two  words"}\n'),
        },
    ),
)

CLOBBERING = (
    PackageSpec("clobber-file-a", files={"share/clobber/file.txt": text("a\n"), "share/clobber/a.txt": text("a\n")}),
    PackageSpec("clobber-file-b", files={"share/clobber/file.txt": text("b\n"), "share/clobber/b.txt": text("b\n")}),
)
"""Two packages with one path, which can be installed together."""

CONFLICTING = (
    PackageSpec("clobber-directory-a", files={"share/conflict/thing": text("a file\n")}),
    PackageSpec("clobber-directory-b", files={"share/conflict/thing/inside.txt": text("in a directory\n")}),
    PackageSpec(
        "clobber-symlink-a",
        files={"share/real/a.txt": text("a\n"), "share/linked": Symlink("real")},
    ),
    PackageSpec("clobber-symlink-b", files={"share/linked/b.txt": text("b\n")}),
)
"""A file against a directory, and a symlink to a directory against that directory."""

UNUSUAL = (
    PackageSpec("cuda-tool", files={"bin/cuda-tool": text("#!/bin/sh\necho cuda\n", 0o755)}, depends=("__cuda >=11",)),
    PackageSpec("glibc-tool", files={"bin/glibc-tool": text("#!/bin/sh\n", 0o755)}, depends=("__glibc >=2.17",)),
    # rattler 0.28 cannot install directories that are listed in their own right.
    PackageSpec(
        "directories", files={"var/empty": Directory(), "var/group": Directory(0o775), "var/a.txt": text("a\n")}
    ),
    PackageSpec("broken-dep", depends=("package-that-does-not-exist",)),
)

AARCH64 = tuple(
    replace(spec, platform="linux-aarch64") for spec in RUNNABLE if (spec.name, spec.version) != ("python", "3.13.1")
)

PACKAGES = (
    *RUNNABLE,
    *PYTHON_LIBRARIES,
    *PLACEHOLDERS,
    *FILES,
    *SPECIAL,
    *PYPY,
    *FORMATS,
    *SCRIPTS,
    *ACTIVATING,
    *CLOBBERING,
    *CONFLICTING,
    *UNUSUAL,
    *AARCH64,
)

NORMAL_SPECS = (
    "python 3.11.*",
    "meta",
    "glibc-tool",
    *sorted(
        {spec.name for spec in (*PYTHON_LIBRARIES, *PLACEHOLDERS, *FILES, *SPECIAL, *FORMATS, *SCRIPTS, *CLOBBERING)}
        - {"meta"}
    ),
)
"""Match specs of everything that any installer installs together on linux-64."""

AARCH64_SPECS = ("hello-sh", "purelib", "python 3.11.*")


def build_channel(channel: Path) -> Path:
    """Write the whole channel into a new or empty folder, which is returned."""
    return write_channel(channel, PACKAGES)

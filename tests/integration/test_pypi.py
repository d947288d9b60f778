"""Distributions from the real PyPI beside a real Python of conda, in a real engine."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.base_image import HOST_ARCHITECTURE
from tests.builds import docker_envs, read_image_file
from tests.venvs import differences_to_target

if TYPE_CHECKING:
    from tests.services import Engine

#: A channel with a Python that runs; the fixture channel has none.
SHARED_CHANNEL = os.environ.get("DOCKER_ENVS_SHARED_CHANNEL")

SERVE = """
import flask, threading, urllib.request
from werkzeug.serving import make_server

app = flask.Flask("hello")
app.add_url_rule("/", view_func=lambda: "served by flask")
server = make_server("127.0.0.1", 8000, app)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(urllib.request.urlopen("http://127.0.0.1:8000/").read().decode())
"""


#: What wheels may expect of a base, taken from this host: the C library, and those of the compiler.
LIBRARIES = (
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
)


def base_with_c_library(base_layout: Path, folder: Path) -> str:
    """The base image with the libraries of this host."""
    places = folder / "root/lib64"
    places.mkdir(parents=True)
    for path in (Path("/lib64/ld-linux-x86-64.so.2"), *(Path("/lib/x86_64-linux-gnu", name) for name in LIBRARIES)):
        shutil.copy(path.resolve(), places / path.name)
    base = f"oci:{folder / 'base'}:c"
    done = docker_envs(
        *("append", f"oci:{base_layout}:single", "--path", f"{folder / 'root'}:/", "--tag", base),
        cache=folder / "cache",
    )
    assert done.status == 0, done.stderr
    return base


if SHARED_CHANNEL and HOST_ARCHITECTURE == "amd64":

    def test_flask_and_numpy_run_in_the_python_of_conda(engine: Engine, base_layout: Path, tmp_path: Path) -> None:
        declared = tmp_path / "environment.yml"
        dependencies = ["python=3.11", "pip", {"pip": ["flask", "numpy<3"]}]
        channel = Path(str(SHARED_CHANNEL)).as_uri()
        declared.write_text(json.dumps({"channels": [channel], "dependencies": dependencies}))
        done = docker_envs(
            *("build", "--base", base_with_c_library(base_layout, tmp_path), "-f", declared),
            *("--load", "-i", "served:1", "-o", tmp_path / "image.tar", "--env", "LD_LIBRARY_PATH=/lib64"),
            cache=tmp_path / "cache",
        )
        assert done.status == 0, done.stderr
        assert engine.run("served:1", "python", "-c", SERVE) == "served by flask\n"
        assert engine.run("served:1", "python", "-c", "import numpy; print(numpy.ones(3).sum())") == "3.0\n"
        assert engine.run("served:1", "flask", "--version").startswith("Python 3.11")
        installed = "import importlib.metadata as m; print(m.distribution('flask').read_text('INSTALLER'))"
        assert engine.run("served:1", "python", "-c", installed).strip() == "docker-envs"
        assert engine.run("served:1", "python", "-m", "pip", "check") == "No broken requirements found.\n"
        image, site_packages = read_image_file(tmp_path / "image.tar"), "opt/conda/lib/python3.11/site-packages"
        found, compared = differences_to_target(image, site_packages, tmp_path / "cache", folder=tmp_path)
        assert found == []
        assert compared > 1000

"""`docker build` of the same environment: rattler installs in a stage, whose result is copied onto the base.

The engine is one of the benchmark's own, with the classic builder, which every engine has. The packages come by HTTP
from this machine, so that no build context has to hold them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measure
from benchmarks.building.ways import INSTALL

if TYPE_CHECKING:
    from benchmarks.building.services import RunningEngine
    from benchmarks.building.ways import Job
    from benchmarks.measure import Measured

_BUILDER = "docker-envs-benchmark-builder"
_DOCKERFILE = """\
FROM {builder} AS build
LABEL benchmark="{stamp}"
COPY install.py urls.txt /
RUN ["{python}", "/install.py", "/urls.txt", "/opt/conda", "/opt/conda"]
FROM {base}
LABEL benchmark="{stamp}"
COPY --from=build /opt/conda /opt/conda
ENV PATH=/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CONDA_PREFIX=/opt/conda
"""
_SITE_PACKAGES = "/site-packages"
_CERTIFICATES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))


class DockerBuild:
    """The way through an engine.

    Args:
        engine: Where it builds.
        served: URLs that begin so, such as those of local channels, …
        url: … are here for the engine.
        folder: For build contexts.
    """

    def __init__(self, engine: RunningEngine, *, served: str, url: str, folder: Path) -> None:
        self._engine = engine
        self._served = served
        self._url = url
        self._folder = folder
        self._stamp = Path()

    def __call__(self, job: Job) -> Measured:
        """Build with what the engine has cached of the last job, if that had the same folder, and push."""
        if job.folder != self._stamp:
            self._clean()
            self._stamp = job.folder
        context = self._folder / "context"
        context.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(INSTALL, context / "install.py")
        (context / "urls.txt").write_text(job.state.urls.read_text().replace(self._served, self._url))
        text = _DOCKERFILE.format(builder=_BUILDER, base=job.base, python=_python(), stamp=self._stamp)
        (context / "Dockerfile").write_text(text)
        build = f"docker build --quiet --network host --tag {job.target} {context}"
        script = f"{build} && docker push --quiet {job.target}"
        return measure.run(["sh", "-c", script], env=self._variables, others=self._engine.processes)

    def prepare(self, base: str) -> None:
        """Have the base in the engine, and the image of the build stage: this Python, rattler, and their libraries."""
        measure.run(["docker", "pull", "--quiet", base], env=self._variables)
        root = self._folder / "builder"
        site_packages = root / _SITE_PACKAGES.lstrip("/")
        copy_python(root)
        for pattern in ("rattler", "py_rattler-*"):
            for found in Path(sysconfig.get_path("platlib")).glob(pattern):
                shutil.copytree(found, site_packages / found.name)
        # rattler does not start without certificates, though none is asked for here.
        certificates = next(path for path in _CERTIFICATES if path.exists())
        (root / "etc").mkdir(exist_ok=True)
        shutil.copyfile(certificates, root / "etc/certificates.pem")
        (root / "tmp").mkdir(exist_ok=True)
        dockerfile = (
            f"FROM scratch\nCOPY . /\nENV PYTHONPATH={_SITE_PACKAGES} HOME=/tmp SSL_CERT_FILE=/etc/certificates.pem\n"
        )
        (root / "Dockerfile").write_text(dockerfile)
        measure.run(["docker", "build", "--quiet", "--tag", _BUILDER, root], env=self._variables)
        shutil.rmtree(root)

    def _clean(self) -> None:
        """Forget what was built, but the build stage's image."""
        names = "docker images --format '{{.Repository}}:{{.Tag}}'"
        script = f"{names} | grep /image | xargs -r docker rmi; docker image prune --force"
        measure.run(["sh", "-c", script], env=self._variables)

    @property
    def _variables(self) -> dict[str, str]:
        return {"DOCKER_HOST": self._engine.host, "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(self._folder)}


def _python() -> str:
    return str(Path(sys.executable).resolve())


def copy_python(root: Path) -> None:
    """Copy this Python, without its site-packages, to the same places below `root`, with the libraries it loads."""
    library = Path(sysconfig.get_path("stdlib"))
    ignored = shutil.ignore_patterns("site-packages", "dist-packages", "test", "__pycache__")
    # A virtual environment shows the standard library of the Python that it was made of.
    shutil.copytree(library, root / library.relative_to("/"), symlinks=True, ignore=ignored)
    loaded = [Path(_python()), *library.glob("lib-dynload/*.so")]
    loaded += Path(sysconfig.get_path("platlib")).glob("rattler/*.so")
    needed = {Path(_python())}
    for binary in loaded:
        listing = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
        needed |= {Path(path) for path in re.findall(r"(/\S+) \(0x", listing)}
    for path in sorted(needed):
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.resolve(), target)
        target.chmod(0o755)

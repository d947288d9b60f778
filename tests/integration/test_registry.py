"""Pulls from and pushes to a real registry, seen from the other side by skopeo."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import AuthenticationError, NotFoundError, TransportError, VerificationError
from docker_envs.oci import edit, media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.layer import file_layer
from docker_envs.oci.reference import Reference
from docker_envs.transports.authentication.config_files import StoredCredentials
from docker_envs.transports.registry.client import RegistryClient, host_platform
from docker_envs.validate import validate_image
from tests.base_image import ENV, HOST_ARCHITECTURE, LABELS, BaseImage
from tests.images import make_image
from tests.services import PasswordRegistry, require_programs, running
from tests.simulators.fault_proxy import Fault, FaultProxy
from tests.simulators.images import tiny_image, tiny_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.oci.image import Image


PUSH_AND_HANG = """
import io, os, sys, threading
from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
from tests.images import make_image
from tests.simulators.images import slow_layer
layers = [slow_layer(bytes([number])) for number in range(4)]
RegistryClient().push_image(make_image(*layers), Reference.parse(sys.argv[1]))
"""


PULL_AND_HANG = """
import sys
from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
(layer,) = RegistryClient().image(Reference.parse(sys.argv[1])).layers
layer.open_blob().read()
"""


def skopeo(command: str, reference: str, *options: str) -> Any:
    require_programs("skopeo")
    line = ["skopeo", command, "--tls-verify=false", *options, f"docker://{reference}"]
    return json.loads(subprocess.run(line, check=True, capture_output=True).stdout)


def parse(text: str) -> Reference:
    return Reference.parse(text)


def extended(base: Image, text: str) -> Image:
    """The image with one more layer."""
    return edit.append_layer(base, tiny_layer(text), history={"created_by": "the test"})


class Notes:
    """A reporter that remembers how tasks ended; also its own task."""

    def __init__(self) -> None:
        self.finished: list[str] = []

    def message(self, text: str) -> None: ...

    def warning(self, text: str) -> None: ...

    def start(self, verb: str, name: str, total: int | None = None) -> Notes:
        return self

    def advance(self, amount: int) -> None: ...

    def finish(self, note: str = "") -> None:
        self.finished.append(note)


@pytest.mark.parametrize("shape", ["oci", "docker", "index"])
def test_pull_what_skopeo_pushed(base_image: BaseImage, shape: str) -> None:
    reference = getattr(base_image, shape)
    image = RegistryClient().image(parse(reference))
    validate_image(image, source=reference)
    assert image.platform.architecture == HOST_ARCHITECTURE
    assert image.config.container["Env"] == list(ENV)
    assert image.config.labels == LABELS
    if shape != "index":
        raw = subprocess.run(
            ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"],
            check=True,
            capture_output=True,
        )
        assert image.manifest.raw == raw.stdout


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_pull_each_platform_of_an_index(base_image: BaseImage, architecture: str) -> None:
    image = RegistryClient().image(parse(base_image.index), Platform("linux", architecture))
    validate_image(image)
    assert image.platform.architecture == architecture


def test_lacking_platform(base_image: BaseImage) -> None:
    with pytest.raises(NotFoundError, match="`linux/s390x`, only for `linux/amd64`, `linux/arm64/v8`"):
        RegistryClient().image(parse(base_image.index), Platform("linux", "s390x"))


def test_pull_by_digest(base_image: BaseImage) -> None:
    client = RegistryClient()
    digest = client.digest(parse(base_image.index))
    assert digest is not None
    by_digest = client.image(parse(f"{base_image.index.rpartition(':')[0]}@{digest}"))
    assert by_digest.digest == client.image(parse(base_image.index)).digest


@pytest.mark.parametrize("name", ["fixture/base:nothing", "nothing/here:1"])
def test_unknown_names(registry: str, base_image: BaseImage, name: str) -> None:
    reference = parse(f"{registry}/{name}")
    assert RegistryClient().digest(reference) is None
    with pytest.raises(NotFoundError, match=f"`{reference}` not found: MANIFEST_UNKNOWN: manifest unknown"):
        RegistryClient().image(reference)


@pytest.mark.parametrize("shape", ["oci", "docker"])
def test_extend_and_push_beside(registry: str, base_image: BaseImage, shape: str) -> None:
    """Config, history and order survive, and no byte of the base is moved."""
    notes = Notes()
    client = RegistryClient(reporter=notes)
    base = client.image(parse(getattr(base_image, shape)))
    image = extended(base, f"extended {shape}")
    target = parse(f"{registry}/extended/{shape}:1")
    assert client.push_image(image, target) == image.digest
    assert sorted(notes.finished) == ["mounted", "mounted", "mounted", "uploaded"]
    found = skopeo("inspect", str(target))
    assert found["Digest"] == image.digest
    assert found["Layers"] == [layer.digest for layer in image.layers]
    assert found["Layers"][:3] == [layer.digest for layer in base.layers]
    config = skopeo("inspect", str(target), "--config")
    assert config["config"] == base.config.container
    assert config["history"][:-1] == list(base.config.history)
    again = client.image(target)
    validate_image(again)
    assert again.manifest.raw == image.manifest.raw
    assert media_types.is_docker(again.media_type) == (shape == "docker")


def test_extend_and_push_in_the_same_repository(base_image: BaseImage) -> None:
    notes = Notes()
    client = RegistryClient(reporter=notes)
    image = extended(client.image(parse(base_image.oci)), "same repository")
    client.push_image(image, parse(base_image.oci).with_tag("extended"))
    # Layers that come from there are there: nobody asks.
    assert notes.finished == ["uploaded"]


def test_push_to_another_registry_streams_the_base(
    base_image: BaseImage, registry_with_basic_auth: PasswordRegistry, tmp_path: Path
) -> None:
    notes = Notes()
    client = RegistryClient(credentials=logged_in(registry_with_basic_auth, tmp_path), reporter=notes)
    image = extended(client.image(parse(base_image.oci)), "elsewhere")
    target = parse(f"{registry_with_basic_auth.address}/copied:1")
    client.push_image(image, target)
    assert notes.finished == ["uploaded"] * 4
    validate_image(client.image(target))


def test_push_twice_and_under_another_tag(registry: str) -> None:
    notes = Notes()
    image = tiny_image(platform=host_platform())
    for tag in ("1", "1", "2"):
        RegistryClient(reporter=notes).push_image(image, parse(f"{registry}/pushed-twice:{tag}"))
    assert notes.finished == ["uploaded", "uploaded", "exists", "exists", "exists"]
    assert set(skopeo("list-tags", f"{registry}/pushed-twice")["Tags"]) == {"1", "2"}


def test_what_a_client_has_pushed_it_does_not_ask_for_again(registry: str) -> None:
    notes = Notes()
    client = RegistryClient(reporter=notes)
    image = tiny_image(platform=host_platform())
    for tag in ("1", "2"):
        client.push_image(image, parse(f"{registry}/asked-once:{tag}"))
    assert notes.finished == ["uploaded", "uploaded"]


def test_push_by_digest(registry: str) -> None:
    image = make_image(tiny_layer("by digest"))
    target = parse(f"{registry}/by/digest@{image.digest}")
    RegistryClient().push_image(image, target)
    assert RegistryClient().digest(target) == image.digest


def test_changed_files_leave_nothing_behind(registry: str, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"changed since")
    descriptor = Descriptor(media_types.OCI_LAYER_GZIP, Digest.of(b"as it was    "), 13)
    target = parse(f"{registry}/changed:1")
    with pytest.raises(VerificationError):
        RegistryClient().push_image(make_image(file_layer(descriptor, descriptor.digest, tmp_path / "blob")), target)
    assert RegistryClient().digest(target) is None


def logged_in(registry: PasswordRegistry, folder: Path, password: str | None = None) -> StoredCredentials:
    """Credentials as `docker login` writes them."""
    pair = f"{registry.username}:{registry.password if password is None else password}"
    auths = {registry.address: {"auth": base64.b64encode(pair.encode()).decode()}}
    (folder / "config.json").write_text(json.dumps({"auths": auths}))
    return StoredCredentials(folder / "config.json")


def test_password(registry_with_basic_auth: PasswordRegistry, tmp_path: Path) -> None:
    client = RegistryClient(credentials=logged_in(registry_with_basic_auth, tmp_path))
    image = tiny_image()
    target = parse(f"{registry_with_basic_auth.address}/secret:1")
    client.push_image(image, target)
    assert client.image(target).digest == image.digest


def test_missing_password(registry_with_basic_auth: PasswordRegistry, tmp_path: Path) -> None:
    client = RegistryClient(credentials=StoredCredentials(environment={}))
    with pytest.raises(AuthenticationError, match=r"no permission to pull .*: UNAUTHORIZED: authentication") as caught:
        client.image(parse(f"{registry_with_basic_auth.address}/secret:1"))
    assert f"docker-envs login {registry_with_basic_auth.address}`" in (caught.value.hint or "")


def test_wrong_password(registry_with_basic_auth: PasswordRegistry, tmp_path: Path) -> None:
    client = RegistryClient(credentials=logged_in(registry_with_basic_auth, tmp_path, "battery staple"))
    with pytest.raises(AuthenticationError, match="no permission to push to") as caught:
        client.push_image(tiny_image(), parse(f"{registry_with_basic_auth.address}/secret:2"))
    assert "battery" not in f"{caught.value} {caught.value.hint}"


@pytest.fixture(scope="module")
def tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Address and certificate of a registry that speaks TLS only."""
    require_programs("docker-registry", "openssl")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}\n"
        f'http: {{addr: "127.0.0.1:0", secret: x, tls: {{certificate: {folder}/cert, key: {folder}/key}}}}\n'
    )
    log = folder / "log"

    def address() -> str | None:
        _, found, rest = log.read_text().partition("listening on 127.0.0.1:")
        return f"127.0.0.1:{rest.partition(',')[0]}" if found and "," in rest else None

    with running(["docker-registry", "serve", str(folder / "config.yml")], log, address) as found:
        yield found, folder / "cert"


def test_tls_on_this_machine(tls_registry: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    address, certificate = tls_registry
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    image = tiny_image()
    RegistryClient().push_image(image, parse(f"{address}/tls:1"))
    assert RegistryClient().image(parse(f"{address}/tls:1")).digest == image.digest


def test_certificates_are_checked(tls_registry: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    address, _ = tls_registry
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(TransportError, match=rf"no secure connection to `{address}`: .*certificate") as caught:
        RegistryClient().image(parse(f"{address}/tls:1"))
    assert "SSL_CERT_FILE" in (caught.value.hint or "")


def test_memory_is_bounded(registry: str, tmp_path: Path) -> None:
    """A layer of 200 MB from a file, in a process of its own."""
    content = os.urandom(1 << 20) * 200
    (tmp_path / "blob").write_bytes(content)
    script = f"""
from pathlib import Path
from docker_envs.digest import Digest
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import file_layer
from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
digest = Digest("{Digest.of(content)}")
layer = file_layer(Descriptor(media_types.OCI_LAYER_TAR, digest, {len(content)}), digest, Path("{tmp_path}/blob"))
assert RegistryClient().push_layer(layer, Reference.parse("{registry}/big:1")) == "uploaded"
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    result = subprocess.run([sys.executable, "-c", script], env=child_environment(), check=True, capture_output=True)
    assert int(result.stdout) < 100_000


def child_environment() -> dict[str, str]:
    root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": f"{root}:{root}/src"}


def interrupt(script: str, *args: str, when: Callable[[], object]) -> str:
    """Run a script until something holds, then press Ctrl-C; what it wrote to standard error in its end."""
    command = [sys.executable, "-c", script, *args]
    with subprocess.Popen(command, env=child_environment(), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 60
        while not when():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read().decode()
        process.wait(10)
    assert time.monotonic() - before < 3
    return errors


def count(proxy: FaultProxy, method: str) -> int:
    return sum(line.startswith(f"{method} ") for line in proxy.seen)


def test_interrupts_end_promptly(registry: str) -> None:
    """Ctrl-C while four layers are being sent: no traceback of threads, nothing pushed, the uploads are taken back."""
    with FaultProxy(registry).running() as proxy:
        errors = interrupt(PUSH_AND_HANG, f"{proxy.address}/interrupted:1", when=lambda: count(proxy, "PUT") == 4)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Exception in thread" not in errors
    assert count(proxy, "POST") == count(proxy, "DELETE") == 4
    assert count(proxy, "PUT") == 4
    assert RegistryClient().digest(parse(f"{registry}/interrupted:1")) is None


def test_interrupts_end_silent_downloads(registry: str) -> None:
    """Ctrl-C while a layer does not come."""
    layer = tiny_layer("never comes")
    RegistryClient().push_image(make_image(layer), parse(f"{registry}/silent:1"))
    with FaultProxy(registry).running() as proxy:
        proxy.follow(f"GET .*{layer.digest}", Fault.STALL_BEFORE)
        errors = interrupt(PULL_AND_HANG, f"{proxy.address}/silent:1", when=lambda: proxy.injected)
    assert proxy.injected == {Fault.STALL_BEFORE: 1}
    assert errors.rstrip().endswith("KeyboardInterrupt")

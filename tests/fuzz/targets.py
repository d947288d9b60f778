"""Readers of what comes from outside, each as a function of a recipe: its result, or one of our own errors.

Whatever else is raised is a defect.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.compression import open_decompressed
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.digest import Digest
from docker_envs.errors import DockerEnvsError
from docker_envs.fields import Fields
from docker_envs.images.browse import FileTree
from docker_envs.images.describe import describe
from docker_envs.images.location import parse_location
from docker_envs.images.mutate import Mutation, mutate_image
from docker_envs.oci.artifact import Links, to_oci
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.manifest import Index, Manifest
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import iter_archive, read_archive, read_archive_artifacts
from docker_envs.transports.files.layout import open_layout_files, read_artifacts, read_layout
from docker_envs.validate import validate_image
from tests.fuzz import archives, documents, tars
from tests.fuzz.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from docker_envs.oci.artifact import NamedArtifact
    from docker_envs.oci.image import Image

_PLATFORM = Platform("linux", "amd64")
_MUTATION = Mutation(
    labels={"x": "y"}, env={"X": "y"}, ports=["80"], volumes=["/v"], cmd=["x"], platform=Platform("linux", "arm64")
)


def outcome(action: Callable[..., object], *arguments: object) -> str:
    """What an action gives, or what it refuses, in a form that can be compared."""
    try:
        return repr(action(*arguments))
    except DockerEnvsError as error:
        return f"{type(error).__name__}: {error}"


def _browse(image: Image) -> list[str]:
    with FileTree(image) as tree:
        seen = [repr(entry) for entry in tree.iter_directory("", recursive=True)]
        return seen + [outcome(_read, tree, path) for path in ("a", "a/b/..", "/etc/passwd", "d/b")]


def _read(tree: FileTree, path: str) -> bytes:
    with tree.open(tree.resolve(path)) as stream:
        return stream.read()


def _flatten(image: Image) -> list[str]:
    openers = [layer.open_tar for layer in image.layers]
    return [f"{entry.path}{len(entry.read())}" for entry in iter_flattened(openers, source="image")]


def _edit(image: Image) -> str:
    return str(mutate_image(image, _MUTATION).digest)


def _use_image(image: Image) -> list[str]:
    actions: tuple[Callable[[Image], object], ...] = (validate_image, _browse, _flatten, _edit)
    return [outcome(action, image) for action in actions]


def _use_artifacts(found: Iterable[NamedArtifact]) -> list[str]:
    seen = []
    for named in found:
        artifact = named.artifact
        seen += [
            outcome(describe, named),
            outcome(artifact.select, _PLATFORM),
            outcome(lambda artifact: to_oci(artifact).digest, artifact),
            outcome(lambda named: sum(map(len, iter_archive([named]))), named),
        ]
        seen += [outcome(lambda image: _use_image(image.image()), image) for image in artifact.images()]
    return seen


def archive(recipe: bytes) -> list[str]:
    """Archives of images."""
    content = archives.archive(Choices(recipe))
    return [
        outcome(lambda: [_use_image(named.image) for named in read_archive(io.BytesIO(content))]),
        outcome(lambda: _use_artifacts(read_archive_artifacts(io.BytesIO(content)))),
        outcome(lambda: read_archive_artifacts(io.BytesIO(content), reference="app:1")[0].references),
    ]


def layout(recipe: bytes) -> list[str]:
    """Layouts in directories."""
    choices = Choices(recipe)
    files = archives.layout_files(choices)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        for path, content in files.items():
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            match choices.number(20):
                case 19:
                    place.symlink_to(choices.pick(["/dev/zero", "/nowhere", place.name, ".", "../../oci-layout"]))
                case 18:
                    place.mkdir()
                case 17:
                    continue
                case _:
                    place.write_bytes(content)
        found = [
            outcome(lambda: [_use_image(named.image) for named in read_layout(Path(folder), platform=_PLATFORM)]),
            outcome(lambda: _use_artifacts(read_artifacts(open_layout_files(Path(folder))))),
        ]
        return [text.replace(folder, "") for text in found]


def tar(recipe: bytes) -> list[str]:
    """Layers as tar streams."""
    choices = Choices(recipe)
    content = tars.compressed(tars.odd_tar(choices), choices)

    def opener() -> io.RawIOBase:
        return open_decompressed(io.BytesIO(content), source="tar")

    return [
        outcome(lambda: [f"{entry}{entry.read()!r}" for entry in iter_entries(opener(), source="tar")]),
        outcome(lambda: [repr(entry) for entry in iter_flattened([opener, opener], source="tar")]),
    ]


def noise(recipe: bytes) -> list[str]:
    """Anything at all instead of a tar, an archive or a document."""
    actions: tuple[Callable[[], object], ...] = (
        lambda: [entry.path for entry in iter_entries(io.BytesIO(recipe), source="noise")],
        lambda: open_decompressed(io.BytesIO(recipe), source="noise").read(),
        lambda: read_archive(io.BytesIO(recipe)),
        lambda: Links.parse(recipe, source="noise"),
        lambda: ImageConfig.parse(recipe, source="noise"),
    )
    return [outcome(action) for action in actions]


def document(recipe: bytes) -> list[str]:
    """Manifests, indexes, configs and descriptors."""
    choices = Choices(recipe)
    blobs = archives.Blobs()
    entry, configured, layers = archives.manifest(blobs, Choices(b""))
    index = {"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": [entry], "annotations": {}}
    image = {"schemaVersion": 2, "config": configured, "layers": layers, "annotations": {"a": "b"}}
    artifact = {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": layers, "subject": entry}
    config = archives.config(documents.DIGEST)
    content = documents.changed(choices.pick([index, image, artifact, config, entry]), choices, most=5)
    declared = choices.pick([None, documents.INDEX, *documents.MEDIA_TYPES])
    parsed: tuple[Callable[[], object], ...] = (
        lambda: Links.parse(content, source="x", media_type=declared),
        lambda: Manifest.parse(content, source="x", media_type=declared).descriptor,
        lambda: Index.parse(content, source="x", media_type=declared).select(_PLATFORM),
        lambda: Descriptor.from_fields(Fields.parse(content, source="x")).to_json(),
        lambda: _use_config(ImageConfig.parse(content, source="x")),
    )
    return [outcome(action) for action in parsed]


def _use_config(config: ImageConfig) -> object:
    made = config.with_layer(Digest.of(b""), {}).with_env({"A": "c"}).without_labels(["a"]).without_top_layer()
    return made.raw, config.platform, config.env, config.labels, config.history


def name(recipe: bytes) -> list[str]:
    """References, digests, platforms and locations."""
    pieces = (
        *("docker://", "docker-daemon:", "docker-archive:", "oci:", "oci-archive:", "dir:", "-", "/", "./", "..", ":"),
        *("@", "sha256:", "5" * 64, "sha512:", "a" * 128, "localhost", "[::1]", "[", "]", ":5000", ":99999", "app"),
        *("team/", "A", ".", "_", "--", "é", "\0", "\n", " ", "%2e", "1", "\udcff", "x" * 300, "linux/", "arm64", "²"),
    )
    choices = Choices(recipe)
    text = "".join(choices.pick(pieces) for _ in range(choices.number(12)))
    if choices.number(4) == 3:
        text += choices.rest().decode("utf-8", "surrogateescape")
    readers: tuple[Callable[[str], object], ...] = (parse_location, Reference.parse, Digest, Platform.parse)
    return [outcome(lambda reader: str(reader(text)), reader) for reader in readers]

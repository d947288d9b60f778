"""An image to change in place: a thin holder of one immutable image."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from docker_envs.archive.entry import DIRECTORY_MTIME, file_entry
from docker_envs.archive.layer_writer import LayerFacts, write_layer
from docker_envs.docker.tar_filter import change_by
from docker_envs.errors import InvalidInputError
from docker_envs.images.host_files import iter_host_entries, landing_path
from docker_envs.oci import edit, media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import NamedImage
from docker_envs.oci.layer import Layer
from docker_envs.oci.reference import DEFAULT_TAG, Reference
from docker_envs.transports.blobs import BlobStore
from docker_envs.transports.files.docker_archive import read_archive, write_archive, write_archive_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.docker.tar_filter import Filter
    from docker_envs.oci import image as oci_image


class Image:
    """A named image; its layers stand base layer first, everywhere.

    Layers are lazy: those that came from a file or a registry are read when the image is written. Config and history
    stay as they came; every change adds to them what it must.

    Args:
        image: What it holds.
        references: Its names; the first one is `name` and `tag`.
    """

    def __init__(self, image: oci_image.Image, references: Sequence[Reference] = ()) -> None:
        self._image = image
        self._references = tuple(references)
        self._store: _TemporaryStore | None = None

    @classmethod
    def from_file(cls, file: str | os.PathLike[str] | BinaryIO) -> list[Image]:
        """The images of a `docker save` file or OCI archive.

        Args:
            file: A path, or a binary stream, which may be closed afterwards.

        Raises:
            FormatError: It is no such file, or a damaged one.
            StorageError: It cannot be read.
        """
        source = Path(file) if isinstance(file, str | os.PathLike) else file
        return [cls(named.image, named.references) for named in read_archive(source)]

    @property
    def image(self) -> oci_image.Image:
        """The immutable image as it is now."""
        return self._image

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Base layer first, topmost last."""
        return self._image.layers

    @property
    def name(self) -> str | None:
        """Registry and repository as Docker shows them, or None; setting it takes the image's other names away.

        Raises:
            InvalidReferenceError: When set: it is no name, or has a tag.
        """
        return self._references[0].familiar_name if self._references else None

    @name.setter
    def name(self, name: str) -> None:
        self._references = (Reference.parse(f"{name}:{self.tag}"),)

    @property
    def tag(self) -> str:
        """The tag; `latest` when nothing else is known."""
        return (self._references[0].tag if self._references else None) or DEFAULT_TAG

    @tag.setter
    def tag(self, tag: str) -> None:
        if not self._references:
            raise InvalidInputError("an image without a name cannot have a tag", hint="set `name` first")
        self._references = (self._references[0].with_tag(tag),)

    def add_layer_path(
        self, path: str | os.PathLike[str], filter: Filter | None = None, arcpath: str | None = None
    ) -> None:
        """Add a directory or file of this host as a new top layer.

        Entries are sorted, belong to 0:0, and keep mode, mtime and links; sockets are left out.

        Args:
            path: The directory or file.
            filter: Gets a `tarfile.TarInfo` for each entry, and returns it, changed or not, or None to leave the entry
                out; leaving a directory out leaves out what is below it.
            arcpath: Where it lands in the image; by default at `path` without its leading slash.

        Raises:
            InvalidInputError: It would land outside of the image.
            StorageError: Something cannot be read.
            BuildError: A file changes while it is read, or has a name that layers reserve.
        """
        landing = landing_path(Path(path), arcpath)
        entries = iter_host_entries(Path(path), landing, change_by(filter) if filter else None)
        self._add_layer(entries, f"add_layer_path /{landing}")

    def add_layer_contents(self, contents: Mapping[str, bytes]) -> None:
        """Add a new top layer of files, with mode 0644 and a constant mtime.

        Args:
            contents: The files' contents by path in the image.

        Raises:
            InvalidInputError: A path is outside of the image.
        """
        files = {landing_path(Path(path), None): content for path, content in contents.items()}
        entries = (file_entry(path, files[path], mtime=DIRECTORY_MTIME) for path in sorted(files))
        self._add_layer(entries, f"add_layer_contents {' '.join(f'/{path}' for path in sorted(files))}"[:200])

    def remove_layer(self) -> None:
        """Drop the topmost layer with its history.

        Raises:
            InvalidInputError: There is none.
        """
        self._image = edit.drop_top_layer(self._image)

    def write_file(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        """Write a `docker save` file that is an OCI archive as well; a path appears only when it is complete.

        Raises:
            VerificationError: A layer is not what it was promised to be.
            StorageError: The file cannot be written.
        """
        images = [NamedImage(self._image, self._references)]
        if isinstance(file, str | os.PathLike):
            write_archive(images, Path(file))
        else:
            write_archive_stream(images, file)

    def _add_layer(self, entries: Iterable[Entry], created_by: str) -> None:
        self._store = store = self._store or _TemporaryStore()
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            facts = store.blobs.create(
                lambda file: write_layer(entries, file, source=created_by, executor=executor),
                lambda facts: facts.digest,
            )
        history = {"created_by": f"docker-envs {created_by}"}
        if created := self._image.config.document.get("created"):
            history["created"] = created
        self._image = edit.append_layer(self._image, store.layer(facts), history=history)

    def __repr__(self) -> str:
        name = self._references[0].familiar if self._references else "without a name"
        return f"<Image {name}: {len(self.layers)} layers, {self._image.digest}>"


class _TemporaryStore:
    """Blobs of new layers, for as long as a layer in it is in use."""

    def __init__(self) -> None:
        root = tempfile.mkdtemp(prefix="docker-envs-")
        weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        self.blobs = BlobStore(Path(root), durable=False)

    def layer(self, facts: LayerFacts) -> Layer:
        descriptor = Descriptor(media_types.OCI_LAYER_GZIP, facts.digest, facts.size)
        # The opener's hold on the store is what keeps the blob on disk.
        return Layer(
            descriptor, partial(self._open, facts), host_path=self.blobs.path(facts.digest), diff_id=facts.diff_id
        )

    def _open(self, facts: LayerFacts) -> BinaryIO:
        return self.blobs.path(facts.digest).open("rb")

"""What a registry has: repositories, tags, and referrers; and how something is deleted.

Spec: OCI distribution-spec 1.1, "Content Discovery" ("Listing Tags", "Listing Referrers"), "Content Management"
("Deleting tags", "Deleting Manifests") and "Unavailable Referrers API"; Docker Registry HTTP API V2, "Catalog".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from docker_envs.errors import FormatError, NotFoundError, TransportError
from docker_envs.fields import Fields
from docker_envs.oci.artifact import Artifact
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE, Index
from docker_envs.transports.redirects import join_location
from docker_envs.transports.registry.manifests import fetch_manifest, put_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.digest import Digest
    from docker_envs.transports.fetch import Response
    from docker_envs.transports.registry.session import Repository

_PAGE = 1000
# A registry whose pages lead in circles must not keep us for ever.
_MAX_PAGES = 10_000
# Nor fill the memory.
_MAX_REFERRERS = 100_000
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel\s*=\s*"?next"?', re.IGNORECASE)


def iter_tags(repository: Repository) -> Iterator[str]:
    """The tags of a repository, in the registry's order.

    Raises:
        NotFoundError: There is no such repository.
        TransportError: The registry cannot be reached.
    """
    for page in _lists(repository, f"tags/list?n={_PAGE}"):
        yield from page.strings("tags")


def iter_repositories(repository: Repository) -> Iterator[str]:
    """The repositories of a registry, in its order.

    Args:
        repository: Any one that is asked with the scope `registry:catalog:*`.

    Raises:
        AuthenticationError: The registry does not list its repositories to us; many do to nobody.
        TransportError: The registry cannot be reached.
    """
    for page in _lists(repository, f"{repository.endpoint.url}/v2/_catalog?n={_PAGE}"):
        yield from page.strings("repositories")


def _lists(repository: Repository, path: str) -> Iterator[Fields]:
    source = f"list of `{repository.reference.name}`"
    for page in _pages(repository, path, source):
        yield Fields.parse(page, source=source)


def _pages(repository: Repository, path: str, source: str) -> Iterator[bytes]:
    url = path
    for _ in range(_MAX_PAGES):
        with repository.request("GET", url) as response:
            yield response.read_limited(MAX_MANIFEST_SIZE, source=source)
            following = next_page(response)
        if following is None:
            return
        url = following
    raise TransportError(f"the {source} has more than {_MAX_PAGES:,} pages")


def next_page(response: Response) -> str | None:
    """The URL of what follows an answer, as its `Link` header says.

    Raises:
        TransportError: It is no URL.
    """
    found = _NEXT.search(response.headers.get("Link", ""))
    return join_location(response.url, found[1]) if found else None


def list_referrers(repository: Repository, subject: Digest, artifact_type: str | None = None) -> list[Descriptor]:
    """What refers to a manifest: signatures, attestations, SBOMs; from the API, or the tag that stands in for it.

    Args:
        repository: Where the manifest is; it need not be there.
        subject: Digest of the manifest.
        artifact_type: Only such artifacts.

    Raises:
        TransportError: The registry cannot be reached.
    """
    query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
    source = f"referrers of `{subject}`"
    found: list[Descriptor] = []
    try:
        for raw in _pages(repository, f"referrers/{subject}{query}", source):
            found += Index.parse(raw, source=source).manifests
            if len(found) > _MAX_REFERRERS:
                raise FormatError(source, f"more than {_MAX_REFERRERS:,}")
    except NotFoundError:
        found = list(_tagged_referrers(repository, subject))
    return [entry for entry in found if artifact_type in (None, entry.extra.get("artifactType"))]


def _tagged_referrers(repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
    try:
        raw, media_type = fetch_manifest(repository, referrers_tag(subject), None)
    except NotFoundError:
        return ()
    return Index.parse(raw, source=f"referrers of `{subject}`", media_type=media_type).manifests


def referrers_tag(subject: Digest) -> str:
    """The tag whose index lists referrers in registries that have no API for that: `sha256-<hex>`."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


def add_referrer(repository: Repository, artifact: Artifact) -> None:
    """List an artifact under the tag of its subject, in a registry that did not do so itself.

    Writers race here, by the specification: the last one wins, so the list is read again just before it is written.

    Raises:
        TransportError: The registry cannot be reached, or refused.
    """
    subject = subject_of(artifact)
    if subject is None:
        return
    entries = list(_tagged_referrers(repository, subject))
    if any(entry.digest == artifact.digest for entry in entries):
        return
    index = Index.make([*entries, _referrer_entry(artifact)])
    put_manifest(repository, referrers_tag(subject), Artifact(index.descriptor, index.raw))


def subject_of(artifact: Artifact) -> Digest | None:
    """Digest of the manifest that an artifact says it refers to."""
    fields = Fields.parse(artifact.raw, source=artifact.source)
    return fields.object("subject").digest("digest") if "subject" in fields.document else None


def _referrer_entry(artifact: Artifact) -> Descriptor:
    fields = Fields.parse(artifact.raw, source=artifact.source)
    kind = fields.get("artifactType", str) or (artifact.blobs[0].media_type if artifact.blobs else "")
    extra: dict[str, Any] = {"artifactType": kind} if kind else {}
    return Descriptor(
        artifact.media_type, artifact.digest, len(artifact.raw), (), fields.string_map("annotations"), extra=extra
    )


def delete_manifest(repository: Repository, place: str) -> None:
    """Delete a tag, or a manifest by its digest, which takes all its tags away.

    Raises:
        NotFoundError: There is none.
        TransportError: The registry deletes nothing (status 405), or refused.
    """
    with repository.request("DELETE", f"manifests/{quote(place)}", expected=(200, 202, 204)):
        pass

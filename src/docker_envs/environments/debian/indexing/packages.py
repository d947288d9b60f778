"""`Packages` indexes: text to a table, fast, and the table to what is kept.

Spec: Debian, "DebianRepository/Format", section "Packages" indices.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from docker_envs.environments.debian.indexing.indexed_package import FIELDS, IndexedPackage, PackageTable
from docker_envs.environments.debian.relations import parse_relations
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

# One scan of a stanza in C: an index of Debian has 60,000.
_FIELD = re.compile(rf"^({'|'.join(FIELDS)}):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_CHECKSUM_SIZE = 32

_ENCODER = msgspec.msgpack.Encoder()
_TABLE_DECODER = msgspec.msgpack.Decoder(PackageTable)


def parse_packages(content: bytes, *, source: str) -> PackageTable:
    """The table of an index.

    Args:
        content: Its text, verified.
        source: What was read, for messages.

    Raises:
        FormatError: It is not UTF-8, or a stanza lacks a field that all have.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FormatError(source, "not UTF-8 text") from error
    packages: dict[str, list[IndexedPackage]] = defaultdict(list)
    providers: dict[str, set[str]] = defaultdict(set)
    for package in _iter_packages(text, source):
        packages[package.name].append(package)
        if package.provides:
            for relation in parse_relations(package.provides):
                providers[relation.name].add(package.name)
    every = [package for versions in packages.values() for package in versions]
    return PackageTable(
        {name: msgspec.Raw(_ENCODER.encode(versions)) for name, versions in packages.items()},
        {name: sorted(names) for name, names in providers.items()},
        sorted({package.name for package in every if package.essential.lower() == "yes"}),
        sorted({package.name for package in every if package.priority == "required"}),
    )


def _iter_packages(text: str, source: str) -> Iterator[IndexedPackage]:
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = dict(_FIELD.findall(stanza))
        if not fields and not stanza.strip():
            continue
        values = [fields.get(name, "") for name in FIELDS]
        if not all(values[:6]):
            missing = FIELDS[values.index("")]
            raise FormatError(source, f"the stanza of `{values[0] or stanza[:40]}` has no field `{missing}`")
        yield IndexedPackage(*values)


def encode_table(table: PackageTable) -> bytes:
    """A table with its checksum."""
    content = _ENCODER.encode(table)
    return hashlib.sha256(content).digest() + content


def decode_table(content: bytes) -> PackageTable | None:
    """A table that was kept; None when it is damaged."""
    payload = memoryview(content)[_CHECKSUM_SIZE:]
    if hashlib.sha256(payload).digest() != content[:_CHECKSUM_SIZE]:
        return None
    try:
        return _TABLE_DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

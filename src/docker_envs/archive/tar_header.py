"""The 512-byte headers of tar, encoded and decoded.

Our own rather than `tarfile`'s, because the header is the only work per file that holds the interpreter lock: these
take a few microseconds, `tarfile`'s tens. Property tests hold them against `tarfile`.

Spec: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import zlib

from docker_envs.archive.entry import Entry, Kind
from docker_envs.errors import BuildError, FormatError

BLOCK = 512
_ZEROS = bytes(BLOCK)
#: The end mark of an archive.
END = bytes(2 * BLOCK)
_OCTAL_LIMIT = 8 << 30  # of eleven octal digits
_MAX_ID = 0o7777777
_NUMBER_BITS = 62
_NO_DEVICE = (0, 0)
_PAX_HEADER_NAME = b"././@PaxHeader"
_XATTR = "SCHILY.xattr."
#: The longest pax header or GNU long name that is read, and the most that an entry may have of both, in bytes.
_MAX_EXTENSION = 1 << 20
#: The most pax records that an entry may have, those for all entries included.
_MAX_RECORDS = 1024
#: The longest path, or target of a link, in bytes; Linux has none longer (`PATH_MAX`).
_MAX_PATH = 4096
_LINKS = (Kind.SYMLINK, Kind.HARDLINK)

#: Type flags beside those of `Kind`.
PAX_LOCAL, PAX_GLOBAL, GNU_LONG_NAME, GNU_LONG_LINK = b"x", b"g", b"L", b"K"
_FILE_FLAGS = {b"0", b"\0", b"7"}
_KINDS = {kind.value.encode(): kind for kind in Kind} | dict.fromkeys(_FILE_FLAGS, Kind.FILE)


def padding(size: int) -> bytes:
    """The zeros that fill up the last block of `size` bytes."""
    return _ZEROS[: -size % BLOCK]


def encode(entry: Entry) -> bytes:
    """The header of an entry: plain ustar, behind a pax header only where ustar cannot hold a field.

    Raises:
        BuildError: A device number does not fit.
    """
    path = entry.path.encode("utf-8", "surrogateescape")
    if entry.kind is Kind.DIRECTORY:
        path += b"/"
    link = entry.link.encode("utf-8", "surrogateescape")
    prefix = b""
    pax: dict[str, bytes] = {}
    if len(path) > 100 or not path.isascii():
        prefix, name = _split_path(path)
        if not name:
            pax["path"] = path
            prefix, name = b"", _ascii(path)
    else:
        name = path
    if len(link) > 100 or not link.isascii():
        pax["linkpath"] = link
        link = _ascii(link)
    size, mtime, uid, gid = entry.size, entry.mtime, entry.uid, entry.gid
    if size >= _OCTAL_LIMIT:
        pax["size"] = b"%d" % size
        size = 0
    if not 0 <= mtime < _OCTAL_LIMIT:
        pax["mtime"] = b"%d" % mtime
        mtime = 0
    if uid > _MAX_ID or gid > _MAX_ID:
        pax["uid"], pax["gid"] = b"%d" % uid, b"%d" % gid
        uid = gid = 0
    if entry.xattrs:
        pax.update({_XATTR + attribute: value for attribute, value in entry.xattrs.items()})
    if entry.device != _NO_DEVICE and not all(0 <= number <= _MAX_ID for number in entry.device):
        raise BuildError(f"`{entry.path}`: a layer cannot hold the device number {entry.device}")
    header = _ustar(name, prefix, entry.kind.value.encode(), entry.mode, uid, gid, size, mtime, link, entry.device)
    return _pax_block(pax) + header if pax else header


def _ustar(
    name: bytes,
    prefix: bytes,
    flag: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    link: bytes,
    device: tuple[int, int] = _NO_DEVICE,
) -> bytes:
    start = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, mtime)
    rest = b"%b%bustar\00000%b%07o\0%07o\0%b" % (
        flag,
        link.ljust(100, b"\0"),
        _ZEROS[:64],
        *device,
        prefix.ljust(167, b"\0"),
    )
    # Adler-32's lower half, started at 0, is the sum of the bytes modulo 65,521; ASCII fields cannot reach that.
    checksum = (zlib.adler32(start, 0) & 0xFFFF) + (zlib.adler32(rest, 0) & 0xFFFF) + 8 * 32
    return b"%b%06o\0 %b" % (start, checksum, rest)


def _split_path(path: bytes) -> tuple[bytes, bytes]:
    if len(path) > 256 or not path.isascii():
        return b"", b""
    cut = path.rfind(b"/", 0, min(156, len(path) - 1))
    prefix, name = path[: max(cut, 0)], path[cut + 1 :]
    return (prefix, name) if cut > 0 and len(name) <= 100 else (b"", b"")


def _ascii(text: bytes) -> bytes:
    return text.decode("utf-8", "replace").encode("ascii", "replace")[:100].rstrip(b"/")


def _pax_block(fields: dict[str, bytes]) -> bytes:
    body = b"".join(_pax_record(name.encode("utf-8", "surrogateescape"), fields[name]) for name in sorted(fields))
    header = _ustar(_PAX_HEADER_NAME, b"", PAX_LOCAL, 0o644, 0, 0, len(body), 0, b"")
    return header + body + padding(len(body))


def _pax_record(name: bytes, value: bytes) -> bytes:
    length = base = len(name) + len(value) + 3
    while length != base + len(str(length)):
        length = base + len(str(length))
    return b"%d %b=%b\n" % (length, name, value)


def check(header: bytes, source: str) -> None:
    """Check the sum of a header block.

    Raises:
        FormatError: It is wrong, so this is no tar archive or a damaged one.
    """
    expected = number(header[148:156], source)
    actual = (zlib.adler32(header[:148], 0) & 0xFFFF) + (zlib.adler32(header[156:], 0) & 0xFFFF) + 8 * 32
    if actual == expected:
        return
    unsigned = sum(header[:148]) + sum(header[156:]) + 8 * 32
    # Old tars summed signed characters.
    signed = unsigned - 256 * sum(1 for byte in header[:148] + header[156:] if byte > 127)
    if expected not in (unsigned, signed):
        raise FormatError(source, "no tar archive, or a damaged one (wrong header checksum)")


def number(field: bytes, source: str) -> int:
    """A numeric field: octal digits, or base 256 with the top bit set (GNU).

    Raises:
        FormatError: It is neither.
    """
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (field[0] == 0xFF) * (1 << (8 * (len(field) - 1)))
    digits = field.strip(b"\0 ") or b"0"
    if not digits.isdigit():
        digits = digits.partition(b"\0")[0].rstrip()
    try:
        # `int` alone would take signs and underscores.
        return int(digits if digits.isdigit() else b"", 8)
    except ValueError as error:
        raise FormatError(source, f"damaged tar header (no number: {field!r})") from error


def decode(header: bytes, source: str) -> Entry:
    """The entry of a ustar, GNU or V7 header, its path still as it stands in the archive; `apply_pax` completes it.

    Raises:
        FormatError: The header is damaged, or of a kind that images cannot hold.
    """
    flag = header[156:157]
    kind = _KINDS.get(flag)
    path = _text(header[:100])
    if kind is None:
        raise FormatError(source, f"tar entry {path!r} has the unsupported type {flag!r}")
    if header[257:263] == b"ustar\0" and header[345]:
        path = f"{_text(header[345:500])}/{path}"
    device = _NO_DEVICE
    if kind in (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE):
        device = (number(header[329:337], source), number(header[337:345], source))
    link = _text(header[157:257]) if kind in _LINKS else ""
    return Entry(
        path,
        kind,
        number(header[100:108], source) & 0o7777,
        number(header[136:148], source),
        number(header[124:136], source),
        (),
        link,
        number(header[108:116], source),
        number(header[116:124], source),
        device,
    )


def extension_size(header: bytes, source: str) -> int:
    """Length in bytes of the pax header or GNU long name behind `header`.

    Raises:
        FormatError: It is longer than anybody needs.
    """
    size = number(header[124:136], source)
    if not 0 <= size <= _MAX_EXTENSION:
        raise FormatError(source, f"tar header extension of {size:,} bytes (limit {_MAX_EXTENSION:,})")
    return size


def parse_extension(flag: bytes, body: bytes, source: str) -> dict[str, bytes]:
    """What a pax header or GNU long name says, as the fields of a pax header.

    Raises:
        FormatError: It is damaged.
    """
    if flag == GNU_LONG_NAME:
        return {"path": body.partition(b"\0")[0]}
    if flag == GNU_LONG_LINK:
        return {"linkpath": body.partition(b"\0")[0]}
    return parse_pax(body, source)


def check_extensions(fields: dict[str, bytes], source: str) -> None:
    """Check that the extensions gathered for one entry stay small.

    Raises:
        FormatError: They do not.
    """
    size = sum(len(name) + len(value) for name, value in fields.items())
    if size > _MAX_EXTENSION:
        raise FormatError(source, f"tar header extensions of {size:,} bytes (limit {_MAX_EXTENSION:,})")
    if len(fields) > _MAX_RECORDS:
        raise FormatError(source, f"tar header extensions of {len(fields):,} records (limit {_MAX_RECORDS:,})")


def parse_pax(body: bytes, source: str) -> dict[str, bytes]:
    """The records of a pax extended header.

    Raises:
        FormatError: A record is damaged.
    """
    fields: dict[str, bytes] = {}
    position = 0
    while position < len(body) and body[position]:
        try:
            space = body.index(b" ", position)
            end = position + int(body[position:space] if body[position:space].isdigit() else b"")
            name, equals, value = body[space + 1 : end - 1].partition(b"=")
        except ValueError as error:
            raise FormatError(source, "damaged pax header") from error
        if not equals or not name or end > len(body) or end <= space or body[end - 1 : end] != b"\n":
            raise FormatError(source, "damaged pax header")
        fields[_text(name)] = value
        position = end
    return fields


def apply_pax(entry: Entry, fields: dict[str, bytes], source: str) -> Entry:
    """The entry with the fields of its pax header, checked; only files keep a size.

    Raises:
        FormatError: A field is damaged, or the entry is a sparse file, which layers must not hold.
    """
    for name, value in fields.items():
        if name.startswith(_XATTR):
            entry.xattrs[name.removeprefix(_XATTR)] = value
        elif not value:
            continue  # the header's own field counts
        elif name == "path":
            entry.path = _pax_text(name, value, source)
        elif name == "linkpath":
            if entry.kind in _LINKS:
                entry.link = _pax_text(name, value, source)
        elif name in ("size", "uid", "gid", "mtime"):
            setattr(entry, name, _pax_number(name, value, source))
        elif name.startswith("GNU.sparse"):
            raise FormatError(source, f"tar entry {entry.path!r} is a sparse file, which is not supported")
    if (entry.size | entry.uid | entry.gid | abs(entry.mtime)) >> _NUMBER_BITS:
        raise FormatError(source, f"tar entry {entry.path!r} has an impossible size, owner or time")
    if entry.kind is not Kind.FILE:
        entry.size = 0
    elif entry.path[-1:] == "/":
        if entry.size:
            raise FormatError(source, f"tar entry {entry.path!r} is a directory with content")
        entry.kind = Kind.DIRECTORY  # V7
    return entry


def _pax_number(name: str, value: bytes, source: str) -> int:
    digits = value.partition(b".")[0]
    if not digits.removeprefix(b"-").isdigit() or len(digits) > 20:
        raise FormatError(source, f"damaged pax header ({name}={value[:40]!r})")
    return int(digits)


def _pax_text(name: str, value: bytes, source: str) -> str:
    if len(value) > _MAX_PATH:
        raise FormatError(source, f"tar entry with a {name} of {len(value):,} bytes (limit {_MAX_PATH:,})")
    if b"\0" in value:
        raise FormatError(source, f"damaged pax header ({name}={value[:40]!r})")
    return value.decode("utf-8", "surrogateescape")


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")

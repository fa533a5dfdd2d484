"""Pictures in a zip archive: read one by one, where they lie, within limits; nothing is ever unpacked to a disk."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llmood.errors import DataError
from llmood.picture_records import ArchiveMember
from llmood.tasks.row_errors import RowError

SHOWN = 80  # characters of a name, in a message
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_HEAD = struct.Struct("<4s22xHH")  # of a member: its mark, and the lengths of name and extra field
_MARK = b"PK\x03\x04"
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # the member, strongly, or the list of members
# What `zipfile` and `zlib` raise at bytes that are not as they should be.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, NotImplementedError, EOFError)
MAX_RATIO = 200  # of a member's bytes to its packed ones …
SMALL = 2**20  # … where it has more than so many


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an archive's list says of one member."""

    offset: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    is_file: bool


def check_archive(path: Path, name: str) -> None:
    """See to it that an archive's list of members can be read.

    Raises:
        DataError: it can't.
    """
    try:
        _entries_now(path)
    except (OSError, *_BROKEN) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{name}: is no zip archive that can be read: {said}") from None


def member_of(archive: Path, name: str) -> ArchiveMember:
    """The member that a cell names.

    Raises:
        RowError: nothing in an archive has such a name, or it would lead out of it.
    """
    if "\\" in name or name.startswith("/") or ".." in name.split("/"):
        raise RowError(f"picture: {_short(name)} is no name within an archive")
    return ArchiveMember(archive, name)


def read_member(member: ArchiveMember, max_bytes: int) -> bytes:
    """The bytes of one member, no more than `max_bytes` of which are ever unpacked.

    Raises:
        RowError: it is not there, damaged, encrypted, too large, or there twice.
    """
    place = f"picture: {_short(member.name)} in {member.archive.name}"
    try:
        entry = _entries_now(member.archive).get(member.name)
        if entry is None:
            raise RowError(f"picture: no {_short(member.name)} in {member.archive.name}")
        if isinstance(entry, int):
            raise RowError(f"{place} stands there {entry} times, and one is meant")
        refused = _refused(entry, max_bytes)
        if refused is not None:
            raise RowError(f"{place} {refused}")
        data = _unpack(entry, _packed(member, entry))
    except (OSError, *_BROKEN) as error:
        said = getattr(error, "strerror", None) or "its bytes are damaged"
        raise RowError(f"{place} can't be read: {said}") from None
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise RowError(f"{place} can't be read: it holds other bytes than it declares")
    return data


def _refused(entry: _Entry, max_bytes: int) -> str | None:
    """Why a member is not even begun, by what the archive says of it."""
    if not entry.is_file:
        return "is no file"
    if entry.flags & _ENCRYPTED:
        return "is encrypted"
    if entry.method not in (STORED, DEFLATED):
        return f"is compressed by method {entry.method}; deflate is read"
    if max(entry.size, entry.packed) > max_bytes:
        return f"has more than the {max_bytes:,} bytes that are read"
    if entry.size > max(SMALL, entry.packed * MAX_RATIO):
        return f"unpacks to more than {MAX_RATIO} times its bytes"
    return None if entry.size else "is empty"


def _packed(member: ArchiveMember, entry: _Entry) -> bytes:
    """A member as it lies in the archive, which is opened anew: threads and processes share no place in it."""
    with member.archive.open("rb") as stream:
        stream.seek(entry.offset)
        mark, name, extra = _HEAD.unpack(stream.read(_HEAD.size))
        if mark != _MARK:
            raise zipfile.BadZipFile
        stream.seek(name + extra, 1)
        return stream.read(entry.packed)


def _unpack(entry: _Entry, packed: bytes) -> bytes:
    if entry.method == STORED:
        return packed
    # One byte more than is declared: enough to see that there are more, and no more than that is made.
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, entry.size + 1)


def _entries_now(path: Path) -> Mapping[str, _Entry | int]:
    found = path.stat()
    return _entries(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=16)
def _entries(path: Path, _size: int, _mtime: int) -> Mapping[str, _Entry | int]:
    """The members by name; of a name that stands there several times, how often. Read once a version of the file."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    times = Counter(member.filename for member in members)
    return {
        member.filename: _Entry(
            member.header_offset,
            member.compress_size,
            member.file_size,
            member.CRC,
            member.compress_type,
            member.flag_bits,
            not member.filename.endswith("/") and not stat.S_ISLNK(member.external_attr >> 16),
        )
        if times[member.filename] == 1
        else times[member.filename]
        for member in members
    }


def _short(name: str) -> str:
    return repr(name if len(name) <= SHOWN else "…" + name[-SHOWN:])

"""Where a picture's bytes are: in the row itself, in a data URL, in a file, or in an archive."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmood.errors import kind_of
from llmood.picture_records import ArchiveMember
from llmood.tasks.images.archive import read_member
from llmood.tasks.row_errors import RowError

SHOWN = 80  # characters of a name, in a message
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # two letters: C: is a drive


def bytes_of(source: Any, folder: Path, max_bytes: int) -> bytes:
    """The bytes, no more than `max_bytes` of which are ever read.

    Raises:
        RowError: they can't be had, or are too many.
    """
    if isinstance(source, Mapping):  # a hub's column of pictures
        source = source.get("path") if source.get("bytes") is None else source["bytes"]
    if source is None or source in ("", b""):
        raise RowError("picture: is missing")
    if isinstance(source, bytes):
        if len(source) > max_bytes:
            raise _too_long(max_bytes)
        return source
    if isinstance(source, ArchiveMember):
        return read_member(source, max_bytes)
    if isinstance(source, Path):
        return _file(folder / source, max_bytes)
    if not isinstance(source, str):
        raise RowError(f"wrong type: picture is {kind_of(source)}, not a path, a data URL or bytes")
    if source[:5].lower() == "data:":
        return _data_url(source, max_bytes)
    if _ELSEWHERE.match(source):
        raise RowError(f"picture: {_short(source)} is no file here; download it first")
    return _file(folder / source, max_bytes)


def _data_url(url: str, max_bytes: int) -> bytes:
    head = _DATA_URL.match(url)
    if head is None:
        raise RowError("picture: a data URL is needed in the form data:image/png;base64,…")
    # Four characters are three bytes: what is too long is never decoded.
    if len(url) - head.end() > (max_bytes + 2) // 3 * 4:
        raise _too_long(max_bytes)
    try:
        found = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters that aren't ASCII
        raise RowError("picture: the data URL is no base64") from None
    if not found:
        raise RowError("picture: is missing")
    if len(found) > max_bytes:
        raise _too_long(max_bytes)
    return found


def _file(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():  # nor a folder, nor a pipe that never ends
            raise RowError(f"picture: no file {_short(path)}")
        with path.open("rb") as stream:
            found = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        why = getattr(error, "strerror", None) or "no file can have this name"
        raise RowError(f"picture: {_short(path)} can't be read: {why}") from None
    if len(found) > max_bytes:
        raise _too_long(max_bytes)
    if not found:
        raise RowError(f"picture: {_short(path)} is empty")
    return found


def _too_long(max_bytes: int) -> RowError:
    return RowError(f"picture: has more than the {max_bytes:,} bytes that are read")


def _short(name: str | Path) -> str:
    text = str(name)
    return repr(text if len(text) <= SHOWN else "…" + text[-SHOWN:])

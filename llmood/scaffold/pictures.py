"""Which column holds pictures, guessed from its cells: files are not looked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_FILE = re.compile(r"\S.*\.(png|jpe?g|gif|webp|bmp|tiff?)", re.IGNORECASE)
_DATA_URL = re.compile(r"data:image/", re.IGNORECASE)
_FIRST_BYTES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")


def is_picture(cell: Any) -> bool:
    """Whether a cell holds pictures, or names them: by a path's ending, a data URL's kind, the first bytes."""
    if isinstance(cell, list | tuple):
        return bool(cell) and all(map(is_picture, cell))
    if isinstance(cell, Mapping):
        held = cell.get("bytes")
        return is_picture(cell.get("path") if held is None else held)
    if isinstance(cell, bytes):
        return cell.startswith(_FIRST_BYTES) or (cell[:4] == b"RIFF" and cell[8:12] == b"WEBP")
    return isinstance(cell, str) and bool(_FILE.fullmatch(cell) or _DATA_URL.match(cell))


def picture_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns whose cells, where there are any, are pictures; in the order of their first rows."""
    names = dict.fromkeys(name for row in rows for name in row)
    cells = {name: [row[name] for row in rows if row.get(name) not in (None, "", [])] for name in names}
    return [name for name, held in cells.items() if held and all(map(is_picture, held))]

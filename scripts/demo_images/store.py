"""Rows as JSONL and pictures as a zip archive, as they are checked in."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from demo_images.draw import draw
from demo_images.scenes import Flag, Row, Scene

ARCHIVE = "images.zip"
WRITTEN = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip archive can tell


def member_of(row: Row) -> str:
    """The name of a row's picture in the archive; a flag that is asked about twice has one."""
    if isinstance(row.picture, Flag):
        return f"flags/{row.picture.pattern}-{'-'.join(row.picture.colours)}.png"
    split, number = row.id.rsplit("-", 1)
    return f"{split}/{number}.png"


def write_splits(splits: Mapping[str, Sequence[Row]], folder: Path) -> None:
    """One JSONL file a split, and all pictures; the same splits give the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        lines = [json.dumps(_stored(row), sort_keys=True) + "\n" for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_STORED) as archive:
        for member, picture in sorted(pictures(splits).items()):
            archive.writestr(zipfile.ZipInfo(member, WRITTEN), _png(picture))


def pictures(splits: Mapping[str, Sequence[Row]]) -> dict[str, Scene | Flag]:
    """Every picture by the name it has in the archive."""
    return {member_of(row): row.picture for rows in splits.values() for row in rows}


def _stored(row: Row) -> dict[str, object]:
    return {
        "answers": [row.answer],
        "group": member_of(row).removesuffix(".png"),
        "id": row.id,
        "kind": row.kind,
        "picture": member_of(row),
        "question": row.question,
    }


def _png(picture: Scene | Flag) -> bytes:
    pixels = np.asarray(draw(picture))
    # There are few colours: a palette of exactly those takes half the bytes, and shows the same pixels.
    colours, index = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    image = Image.fromarray(index.reshape(pixels.shape[:2]).astype(np.uint8))
    image.putpalette(colours.ravel().tolist())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()

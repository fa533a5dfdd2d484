"""From a row's cells to the pictures of its sample, which are read once for their names and again when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from llmood.picture_records import Picture, Spoilt, StandIn
from llmood.tasks.images.archive import member_of
from llmood.tasks.images.controls import blank_image, noise_image, other_image
from llmood.tasks.images.corrupt import corrupt_image
from llmood.tasks.images.read import LIMITS, digest_of_file, image_digest, read_image
from llmood.tasks.images.sources import bytes_of
from llmood.tasks.row_errors import RowError


def pictures_of(
    cells: Sequence[Any], folder: Path | None, archive: Path | None = None
) -> tuple[Picture, ...]:
    """The pictures of a row's cells, each a source or a list of them.

    Args:
        folder: where relative paths start, and what they may not leave; None: a row may hold none.
        archive: the zip archive whose members the cells name, rather than files.

    Raises:
        RowError: one of them can't be read.
    """
    return tuple(_picture(source, folder, archive) for source in _sources(cells))


def files_named(cells: Sequence[Any]) -> list[str]:
    """The paths among a row's cells: those that hold no picture themselves."""
    return [path for source in _sources(cells) if (path := _path_of(source)) is not None]


def load_picture(picture: Picture) -> Image.Image:
    """Its pixels; of a corrupted one, or one that stands in for another, made anew.

    Raises:
        RowError: its file is gone, or shows another picture by now.
    """
    source = picture.source
    if isinstance(source, Spoilt):
        made_of = f"'{source.corruption}' makes another one"
        image = _spoilt(source, load_picture(source.picture))
    elif isinstance(source, StandIn):
        made_of, image = f"the control '{source.control}' makes another one", _made(source)
    else:
        made_of, image = "its file shows another one", read_image(source)
    if image_digest(image) != picture.digest:
        raise RowError(f"picture: {made_of} than when the rows were read")
    return image


def spoilt_pictures(
    picture: Picture, wanted: Iterable[tuple[str, int]], *, seed: int, key: str
) -> dict[tuple[str, int], Picture]:
    """A picture in several corruptions and grades. It is read once, and one set of pixels more is held at a time.

    Raises:
        RowError: it can't be read any more.
    """
    original = load_picture(picture)
    made = (Spoilt(picture, corruption, grade, seed, key) for corruption, grade in wanted)
    return {(one.corruption, one.grade): Picture(image_digest(_spoilt(one, original)), one) for one in made}


def _spoilt(made: Spoilt, original: Image.Image) -> Image.Image:
    return corrupt_image(original, made.corruption, made.grade, seed=made.seed, key=made.key)


def stand_in(made: StandIn) -> Picture:
    """The picture that a control shows, by its content.

    Raises:
        RowError: it is another sample's, whose file is gone.
    """
    shown = made.other
    if shown is not None and load_picture(shown).size == made.size:
        return shown  # as it stands
    return Picture(image_digest(_made(made)), made)


def _made(wanted: StandIn) -> Image.Image:
    if wanted.other is not None:
        return other_image(wanted.size, load_picture(wanted.other))
    if wanted.control == "blank":
        return blank_image(wanted.size)
    return noise_image(wanted.size, seed=wanted.seed, key=wanted.key)


def _sources(cells: Sequence[Any]) -> list[Any]:
    return [source for cell in cells for source in (cell if isinstance(cell, list | tuple) else [cell])]


def _picture(source: Any, folder: Path | None, archive: Path | None) -> Picture:
    name = _path_of(source)
    if name is None:
        data = bytes_of(source, Path(), LIMITS.max_bytes)
        return Picture(digest_of_file(data), data)
    found = _inside(name, folder) if archive is None else member_of(archive, name)
    return Picture(digest_of_file(bytes_of(found, Path(), LIMITS.max_bytes)), found)


def _path_of(source: Any) -> str | None:
    """The path that a cell names; None where it holds the picture itself, or nothing that could be one."""
    if isinstance(source, dict) and source.get("bytes") is None:
        source = source.get("path")
    named = isinstance(source, str) and source and source[:5].lower() != "data:" and "://" not in source
    return source if named else None


def _inside(name: str, folder: Path | None) -> Path:
    path = Path(name)
    if path.is_absolute():
        return path
    if folder is None:
        raise RowError(f"picture: {name[-80:]!r} is relative, and these rows lie in no folder")
    # As it is written: where a link of the user's own leads is the user's business.
    beside = Path(os.path.normpath(path))
    if beside.parts[:1] == ("..",):
        raise RowError(f"picture: {name[-80:]!r} leaves the folder of the rows")
    return (folder / beside).absolute()

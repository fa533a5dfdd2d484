"""The small pictures of a run's report, and a sentence where there is none to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llmood.report.kept_pictures import Kept
from llmood.tasks.images.read import image_digest, read_image
from llmood.tasks.images.thumbnails import Thumbnail, thumbnail
from llmood.tasks.row_errors import RowError

MOST_CHARACTERS = 2_000_000  # of all pictures of one run: a hundred of them have some 400,000
MOST_OF_ONE = 4  # pictures of one sample

UNKNOWN = "The run doesn’t say where this picture is."
GONE = "This picture can’t be read any more."
CHANGED = "The file shows another picture by now."
FULL = "Not shown: the page has enough pictures."


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of an example.

    Attributes:
        alt: what it is, for whoever doesn't see it.
        small: the picture; None where `why` says that there is none.
    """

    alt: str
    small: Thumbnail | None
    why: str | None = None


class Gallery:
    """The pictures of one run. What it has given counts: a page doesn't grow without end.

    Args:
        kept: how they are found, by digest.
    """

    def __init__(self, kept: Mapping[str, Kept], most: int = MOST_CHARACTERS) -> None:
        self._kept = kept
        self._room = most
        self._read = cache(self._found)

    def shown(self, digests: Sequence[str]) -> list[Shown]:
        """The first pictures of a sample."""
        many = len(digests)
        return [
            self._shown(digest, "picture of this sample" if many == 1 else f"picture {number} of {many}")
            for number, digest in enumerate(digests[:MOST_OF_ONE], start=1)
        ]

    def _shown(self, digest: str, alt: str) -> Shown:
        if self._room <= 0:
            return Shown(alt, None, FULL)
        found = self._read(digest)
        if isinstance(found, str):
            return Shown(alt, None, found)
        self._room -= len(found.url)
        return Shown(alt, found)

    def _found(self, digest: str) -> Thumbnail | str:
        """A picture, or why there is none."""
        kept = self._kept.get(digest, Kept())
        source = kept.small if kept.file is None else Path(kept.file)
        if source is None:
            return UNKNOWN
        try:
            # A small copy is read and drawn anew as well: a run folder may come from anybody.
            image = read_image(source)
        except RowError:
            return GONE
        return CHANGED if kept.file and image_digest(image) != digest else thumbnail(image)

"""Where the pictures of a run's samples are, kept for the report: the run folder holds none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from llmood.manifest import read_checked
from llmood.picture_records import ArchiveMember, Picture
from llmood.tables import write_json
from llmood.tasks.images.cells import load_picture
from llmood.tasks.images.thumbnails import thumbnail
from llmood.tasks.row_errors import RowError

FILE = "observations/pictures.json"
MOST_SMALL = 2_000  # of pictures without a file: some 5 MB


@dataclass(frozen=True, slots=True)
class Kept:
    """How a picture is found again.

    Attributes:
        file: where it is; of an archive's `member`, the archive.
        small: a small copy as a data URL, of one that has no file of its own: its row holds it, and rows are not kept.
    """

    file: str | None = None
    small: str | None = None
    member: str | None = None

    @property
    def source(self) -> Path | ArchiveMember | str | None:
        """What it is read from."""
        if self.file is None or self.member is None:
            return self.small if self.file is None else Path(self.file)
        return ArchiveMember(Path(self.file), self.member)


def kept_pictures(pictures: Iterable[Picture]) -> dict[str, Kept]:
    """How pictures are found again, by digest."""
    every = list(pictures)
    found = joined_pictures({each.digest: kept} for each in every if (kept := _in_a_file(each)) is not None)
    small: dict[str, Kept] = {}
    for picture in every:
        if picture.digest not in found and picture.digest not in small and len(small) < MOST_SMALL:
            try:
                small[picture.digest] = Kept(small=thumbnail(load_picture(picture)).url)
            except RowError:
                continue  # what is captured of it says why
    return found | small


def _in_a_file(picture: Picture) -> Kept | None:
    """Where it lies; None where nothing on a disk is this picture."""
    if isinstance(picture.source, ArchiveMember):
        return Kept(str(picture.source.archive), member=picture.source.name)
    return Kept(str(picture.source)) if isinstance(picture.source, Path) else None


def joined_pictures(parts: Iterable[Mapping[str, Kept]]) -> dict[str, Kept]:
    """Those of all shards of a run. Of a picture that is in several places, the first by name."""
    found: dict[str, Kept] = {}
    for digest, kept in chain.from_iterable(part.items() for part in parts):
        found[digest] = min(found.get(digest, kept), kept, key=_order)
    return found


def _order(kept: Kept) -> tuple[bool, str, str]:
    return kept.file is None, kept.file or "", kept.member or ""


def write_pictures(path: Path, pictures: Mapping[str, Kept]) -> None:
    """Write them, in the order of their digests; where there are none, none are left of an earlier run."""
    if pictures:
        write_json(path, {digest: asdict(pictures[digest]) for digest in sorted(pictures)})
    else:
        path.unlink(missing_ok=True)


def read_pictures(path: Path) -> dict[str, Kept]:
    """What `write_pictures` wrote; nothing where it wrote none.

    Raises:
        StoreError: the file is damaged.
    """
    return dict(read_checked(path, dict[str, Kept])) if path.is_file() else {}

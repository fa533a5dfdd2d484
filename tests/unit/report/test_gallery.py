"""The small pictures of the report: found by where they are, known by their pixels, and no more than have room."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from llmood.errors import StoreError
from llmood.picture_records import ArchiveMember, Picture
from llmood.report import kept_pictures as kept_module
from llmood.report.gallery import CHANGED, FULL, GONE, UNKNOWN, Gallery
from llmood.report.kept_pictures import Kept, joined_pictures, kept_pictures, read_pictures, write_pictures
from llmood.tasks.images.cells import load_picture, spoilt_pictures
from llmood.tasks.images.read import image_digest
from llmood.tasks.images.thumbnails import thumbnail
from tests.pictures import saved, speckled


def picture(image: Image.Image, source: Path | None = None) -> Picture:
    if source is not None:
        source.write_bytes(saved(image, "PNG"))
    return Picture(image_digest(image), source or saved(image, "PNG"))


def test_a_file_is_named_and_a_cell_is_kept_small(tmp_path: Path) -> None:
    on_disk, in_row = picture(speckled(8, 8), tmp_path / "a.png"), picture(speckled(200, 100))
    found = kept_pictures([on_disk, in_row, on_disk])
    assert found[on_disk.digest] == Kept(file=str(tmp_path / "a.png"))
    assert found[in_row.digest] == Kept(small=thumbnail(speckled(200, 100)).url)
    write_pictures(tmp_path / "pictures.json", found)
    assert read_pictures(tmp_path / "pictures.json") == found
    write_pictures(tmp_path / "pictures.json", {})
    assert not (tmp_path / "pictures.json").exists()
    assert read_pictures(tmp_path / "pictures.json") == {}


def test_a_member_of_an_archive_is_found_there(tmp_path: Path) -> None:
    image = speckled(120, 60)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/a.png", saved(image, "PNG"))
    member = Picture(image_digest(image), ArchiveMember(tmp_path / "a.zip", "deep/a.png"))
    kept = kept_pictures([member])
    assert kept == {member.digest: Kept(file=str(tmp_path / "a.zip"), member="deep/a.png")}
    assert Gallery(kept).shown([member.digest])[0].small == thumbnail(image)
    (tmp_path / "a.zip").unlink()
    assert Gallery(kept).shown([member.digest])[0].why == GONE


def test_a_corrupted_picture_is_kept_small() -> None:
    (made,) = spoilt_pictures(picture(speckled(99, 33)), [("blur", 3)], seed=0, key="s").values()
    assert kept_pictures([made]) == {made.digest: Kept(small=thumbnail(load_picture(made)).url)}


def test_a_picture_in_several_places_is_the_first_by_name(tmp_path: Path) -> None:
    image = speckled(8, 8)
    places = [picture(image), picture(image, tmp_path / "b.png"), picture(image, tmp_path / "a.png")]
    (name,) = {each.digest for each in places}
    first = {name: Kept(file=str(tmp_path / "a.png"))}
    assert kept_pictures(places) == kept_pictures(reversed(places)) == first
    parts = [kept_pictures([each]) for each in places]
    assert joined_pictures(parts) == joined_pictures(reversed(parts)) == first


def test_small_copies_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "MOST_SMALL", 2)
    assert len(kept_pictures(picture(speckled(8, 8, seed)) for seed in range(4))) == 2


def test_what_can_not_be_read_when_it_is_kept_is_left_out() -> None:
    assert kept_pictures([Picture("0" * 32, b"no picture")]) == {}


def test_damage_is_said(tmp_path: Path) -> None:
    path = tmp_path / "pictures.json"
    path.write_text('{"0": {"file": 7}}', encoding="utf-8")
    with pytest.raises(StoreError, match=r"pictures\.json: is damaged"):
        read_pictures(path)


def test_what_is_shown(tmp_path: Path) -> None:
    image = speckled(200, 100)
    there = picture(image, tmp_path / "there.png")
    gone, changed = (
        picture(speckled(9, 9), tmp_path / "gone.png"),
        picture(speckled(7, 7), tmp_path / "c.png"),
    )
    gallery = Gallery(kept_pictures([there, gone, changed]))
    (tmp_path / "gone.png").unlink()
    image.save(tmp_path / "c.png")
    shown = gallery.shown([there.digest, gone.digest, changed.digest, "f" * 32])
    assert [each.why for each in shown] == [None, GONE, CHANGED, UNKNOWN]
    assert [each.alt for each in shown] == [f"picture {number} of 4" for number in (1, 2, 3, 4)]
    assert [each.small for each in shown] == [thumbnail(image), None, None, None]
    assert gallery.shown([there.digest])[0].alt == "picture of this sample"
    assert len(gallery.shown([there.digest] * 6)) == 4  # a sample may have any number


def test_what_a_stranger_wrote_is_drawn_anew(tmp_path: Path) -> None:
    image = speckled(20, 20)
    big = thumbnail(speckled(96, 96)).url
    raw = "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="
    broken = '"><script>alert(1)</script>'
    kept = {
        "a": Kept(small=big),
        "b": Kept(small=raw),
        "c": Kept(small=broken),
        "d": Kept(file=str(tmp_path)),
    }
    shown = Gallery(kept).shown(list("abcd"))
    assert [each.why for each in shown] == [None, GONE, GONE, GONE]
    # A file that isn't the picture is not shown, whatever it is.
    image.save(tmp_path / "private.png")
    assert Gallery({"a": Kept(file=str(tmp_path / "private.png"))}).shown("a")[0].why == CHANGED


def test_a_page_has_an_end(tmp_path: Path) -> None:
    one = picture(speckled(50, 50), tmp_path / "a.png")
    size = len(thumbnail(speckled(50, 50)).url)
    gallery = Gallery(kept_pictures([one]), most=2 * size)
    assert [gallery.shown([one.digest])[0].why for _ in range(4)] == [None, None, FULL, FULL]

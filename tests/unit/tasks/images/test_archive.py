"""Pictures in zip archives: found by name, read within limits, and what a bad member says."""

from __future__ import annotations

import base64
import os
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmood.errors import ConfigError, DataError
from llmood.picture_records import ArchiveMember
from llmood.tasks import LoadedTask, TaskSpec, load_task
from llmood.tasks.images import read
from llmood.tasks.images.archive import check_archive, read_member
from llmood.tasks.images.cells import load_picture
from llmood.tasks.images.read import image_digest
from llmood.tasks.row_errors import RowError
from tests.pictures import demo_pictures, saved, speckled
from tests.task_files import write_task

ONE, OTHER = demo_pictures(2)
SOURCE = {"files": "{split}.jsonl", "splits": {"test": "test"}, "images": "images.zip"}
FILE = saved(ONE, "BMP")


def write_zip(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def load(folder: Path, *cells: Any, **keys: Any) -> LoadedTask:
    rows = [{"text": f"{place}?", "image": cell} for place, cell in enumerate(cells)]
    made = {"fields": {"images": "image"}, "sources": [SOURCE], **keys}
    return load_task(write_task(folder, {"test": rows}, **made))


def reason(folder: Path, cell: Any) -> str:
    """Why the one row of this cell is rejected, beside one that is read."""
    loaded = load(folder, cell, "good.png")
    (reject,) = loaded.rejects
    assert (reject.line, len(loaded.samples["test"])) == (1, 1)
    return reject.reason


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "images.zip"
    write_zip(path, {"good.png": saved(OTHER, "PNG")})
    return path


@pytest.fixture
def add(archive: Path) -> Callable[..., None]:
    """Put a member into the archive, maybe under another method."""

    def put(name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
        with zipfile.ZipFile(archive, "a", method) as opened:
            opened.writestr(name, data)

    return put


def patch(path: Path, name: str, offset: int, layout: str, value: int) -> None:
    """Change one number of what the archive's list says of a member; offsets as in APPNOTE.TXT, 4.3.12."""
    data = bytearray(path.read_bytes())
    place = data.rindex(name.encode()) - 46
    assert data[place : place + 4] == b"PK\x01\x02"
    struct.pack_into(layout, data, place + offset, value)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_cell_names_a_member(tmp_path: Path, method: int) -> None:
    members = {"shapes/one.png": saved(ONE, "PNG"), "ôther.bmp": saved(OTHER, "BMP")}
    write_zip(tmp_path / "images.zip", members, method)
    loaded = load(tmp_path, "shapes/one.png", {"bytes": None, "path": "ôther.bmp"})
    one, other = loaded.samples["test"]
    assert (one.images, other.images) == ((image_digest(ONE),), (image_digest(OTHER),))
    assert load_picture(one.pictures[0]).tobytes() == ONE.tobytes()
    assert one.pictures[0].source == ArchiveMember((tmp_path / "images.zip").absolute(), "shapes/one.png")
    assert loaded.rejects == []
    assert loaded.source["images"]["test"]["name"] == "images.zip"


def test_what_a_row_holds_itself_is_no_name(tmp_path: Path, archive: Path) -> None:
    url = f"data:image/bmp;base64,{base64.b64encode(FILE).decode()}"
    (sample,) = load(tmp_path, url).samples["test"]
    assert sample.images == (image_digest(ONE),)


def test_a_sample_is_the_same_in_an_archive_and_beside_the_rows(tmp_path: Path, archive: Path) -> None:
    (packed,) = load(tmp_path, "good.png").samples["test"]
    OTHER.save(tmp_path / "good.png")
    (beside,) = load(
        tmp_path, "good.png", sources=[{key: SOURCE[key] for key in ("files", "splits")}]
    ).samples["test"]
    assert packed == beside
    assert packed.sample_id == beside.sample_id


def test_an_archive_for_each_split(tmp_path: Path) -> None:
    for split, picture in {"train": ONE, "test": OTHER}.items():
        write_zip(tmp_path / f"{split}.zip", {"a.png": saved(picture, "PNG")})
    rows = {split: [{"text": "which?", "image": "a.png"}] for split in ("train", "test")}
    files = {"files": "{split}.jsonl", "splits": {"train": "train", "test": "test"}}
    for images in ("{split}.zip", {"train": "train.zip", "test": "test.zip"}):
        spec = write_task(tmp_path, rows, fields={"images": "image"}, sources=[{**files, "images": images}])
        samples = load_task(spec).samples
        found = {split: samples[split][0].images for split in ("train", "test")}  # type: ignore[index]
        assert found == {"train": (image_digest(ONE),), "test": (image_digest(OTHER),)}


def test_a_split_without_an_archive_is_one_mistake(tmp_path: Path) -> None:
    """And not a row without a file for each of its rows."""
    rows = {split: [{"text": f"{split}?", "image": "a.png"}] for split in ("train", "test")}
    write_zip(tmp_path / "train.zip", {"a.png": saved(ONE, "PNG")})
    files = {"files": "{split}.jsonl", "splits": {"train": "train", "test": "test"}}

    def made(images: Any) -> TaskSpec:
        return write_task(tmp_path, rows, fields={"images": "image"}, sources=[{**files, "images": images}])

    with pytest.raises(
        ConfigError, match=r"sources.0: 'images' names no archive for the split 'test': name one"
    ):
        made({"train": "train.zip"})
    with pytest.raises(
        DataError, match=r"t.yaml: only part of the data is there: no file .*test.zip"
    ) as raised:
        load_task(made("{split}.zip"))
    assert "LLMOOD_DATA" in str(raised.value.hint)


def test_an_archive_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(tmp_path / "data" / "images.zip", {"a.png": saved(ONE, "PNG")})
    (tmp_path / "task").mkdir()
    monkeypatch.setenv("LLMOOD_DATA", str(tmp_path / "data"))
    (sample,) = load(tmp_path / "task", "a.png").samples["test"]
    assert sample.images == (image_digest(ONE),)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "picture: is missing"),
        ("two.png", "picture: no 'two.png' in images.zip"),
        ("../images.zip", "picture: '../images.zip' is no name within an archive"),
        ("a/../good.png", "picture: 'a/../good.png' is no name within an archive"),
        ("/good.png", "picture: '/good.png' is no name within an archive"),
        ("a\\good.png", r"picture: 'a\\good.png' is no name within an archive"),
        ("https://example.org/a.png", "picture: 'https://example.org/a.png' is no file here"),
        (7, "wrong type: picture is an int"),
    ],
)
@pytest.mark.usefixtures("archive")
def test_a_cell_that_names_none(tmp_path: Path, cell: Any, said: str) -> None:
    assert reason(tmp_path, cell).startswith(said)


def test_members_that_are_no_picture(tmp_path: Path, add: Callable[..., None]) -> None:
    add("empty.png", b"")
    add("words.png", b"these are no pixels")
    add("half.png", saved(ONE, "PNG")[:200])
    add("folder/", b"")
    said = {
        "empty.png": "picture: 'empty.png' in images.zip is empty",
        "words.png": "picture: is no file of PNG",
        "half.png": "picture: can't be decoded",
        "folder/": "picture: 'folder/' in images.zip is no file",
    }
    for name, wanted in said.items():
        assert reason(tmp_path, name).startswith(wanted)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, add: Callable[..., None], method: int) -> None:
    add("bad.bmp", FILE, method)
    assert reason(tmp_path, "bad.bmp").endswith(f"is compressed by method {method}; deflate is read")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_there_twice(tmp_path: Path, add: Callable[..., None]) -> None:
    add("bad.bmp", FILE)
    add("bad.bmp", saved(OTHER, "BMP"))
    assert reason(tmp_path, "bad.bmp").endswith("stands there 2 times, and one is meant")


def test_an_encrypted_member(tmp_path: Path, archive: Path, add: Callable[..., None]) -> None:
    add("bad.bmp", FILE)
    patch(archive, "bad.bmp", 8, "<H", 1)
    assert reason(tmp_path, "bad.bmp") == "picture: 'bad.bmp' in images.zip is encrypted"


@pytest.mark.parametrize("size", [len(FILE) - 1, len(FILE) + 1])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_that_lies_about_its_size(
    tmp_path: Path, archive: Path, add: Callable[..., None], method: int, size: int
) -> None:
    add("bad.bmp", FILE, method)
    patch(archive, "bad.bmp", 24, "<I", size)
    assert reason(tmp_path, "bad.bmp").endswith("can't be read: it holds other bytes than it declares")


def test_damaged_bytes(tmp_path: Path, archive: Path, add: Callable[..., None]) -> None:
    add("bad.bmp", FILE, zipfile.ZIP_STORED)
    whole = archive.read_bytes()
    place = whole.rindex(FILE[-9:])
    archive.write_bytes(whole[:place] + b"x" + whole[place + 1 :])
    assert reason(tmp_path, "bad.bmp").endswith("can't be read: it holds other bytes than it declares")


def test_an_offset_that_leads_elsewhere(tmp_path: Path, archive: Path, add: Callable[..., None]) -> None:
    add("bad.bmp", FILE)
    patch(archive, "bad.bmp", 42, "<I", 7)
    assert reason(tmp_path, "bad.bmp").endswith("can't be read: its bytes are damaged")


def test_a_bomb_is_not_unpacked(tmp_path: Path, add: Callable[..., None]) -> None:
    add("bomb.bmp", b"\0" * 2**22)  # a thousand times what it is packed to
    assert reason(tmp_path, "bomb.bmp").endswith("unpacks to more than 200 times its bytes")
    add("long.bmp", os.urandom(2**10) * 2**10)
    member = ArchiveMember(tmp_path / "images.zip", "long.bmp")
    assert len(read_member(member, 2**20)) == 2**20
    with pytest.raises(RowError, match="has more than the 1,048,575 bytes that are read"):
        read_member(member, 2**20 - 1)


def test_a_bomb_that_declares_little_is_unpacked_no_further(
    tmp_path: Path, archive: Path, add: Callable[..., None]
) -> None:
    add("bad.bmp", FILE + b"\0" * 2**24)
    patch(archive, "bad.bmp", 24, "<I", len(FILE))
    assert reason(tmp_path, "bad.bmp").endswith("can't be read: it holds other bytes than it declares")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "only part of the data is there: no file "),
        (b"", "images.zip: is no zip archive that can be read: "),
        (b"no archive", "images.zip: is no zip archive that can be read: File is not a zip file"),
    ],
)
def test_an_archive_that_cannot_be_read(tmp_path: Path, data: bytes | None, said: str) -> None:
    if data is not None:
        (tmp_path / "images.zip").write_bytes(data)
    with pytest.raises(DataError) as caught:
        load(tmp_path, "good.png")
    assert said in str(caught.value)


def test_an_archive_that_changes_is_read_anew(tmp_path: Path, archive: Path) -> None:
    (sample,) = load(tmp_path, "good.png").samples["test"]
    write_zip(archive, {"good.png": saved(ONE, "BMP")})
    with pytest.raises(RowError, match="shows another one than when the rows were read"):
        load_picture(sample.pictures[0])
    (again,) = load(tmp_path, "good.png").samples["test"]
    assert again.images == (image_digest(ONE),)


def test_equal_bytes_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = speckled(9, 7, seed=2311)
    write_zip(tmp_path / "images.zip", {"a.png": saved(picture, "PNG"), "b.png": saved(picture, "PNG")})
    decoded = []
    real = read.decode
    monkeypatch.setattr(read, "decode", lambda *given: decoded.append(1) or real(*given))
    for _ in range(2):
        samples = load(tmp_path, "a.png", "b.png", "a.png").samples["test"]
        assert {sample.images for sample in samples} == {(image_digest(picture),)}
    assert len(decoded) == 1


def test_the_memo_of_digests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "REMEMBERED", 2)
    monkeypatch.setattr(read, "_digests", {})
    for seed in range(5):
        picture = speckled(4, 4, seed)
        assert read.digest_of_file(saved(picture, "PNG")) == image_digest(picture)
        assert len(read._digests) <= 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"images": {"train": "a.zip"}}, "'images' names an archive for a split that 'files' doesn't have"),
        ({"images": 7}, "a path, or a path for each split, is needed"),
        (
            {"images": "{split}.zip", "files": {"test": "test.jsonl"}, "splits": {}},
            "'splits' doesn't say what each is called in it",
        ),
    ],
)
def test_mistakes_in_the_yaml(tmp_path: Path, source: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "a.png", sources=[{**SOURCE, **source}])
    assert said in str(caught.value)


def test_an_archive_that_no_field_looks_into(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources.0.images is an archive, and 'fields.images' doesn't say"):
        load(tmp_path, "a.png", fields={})


def test_hostile_bytes_are_a_reason_and_no_crash(tmp_path: Path) -> None:
    draw = random.Random(0)
    write_zip(tmp_path / "images.zip", {"a.bmp": FILE, "b.png": saved(OTHER, "PNG")})
    whole = (tmp_path / "images.zip").read_bytes()
    heads = len(whole) - 250  # the list of members and its end
    outcomes = set()
    for number in range(400):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(heads, len(data)) if draw.random() < 0.8 else draw.randrange(len(data))
            data[place] = draw.choice((0, 1, 255, draw.randrange(256)))
        path = tmp_path / f"{number}.zip"  # another name: a file's version is told by its time
        path.write_bytes(bytes(data[: draw.randrange(len(data))] if draw.random() < 0.1 else data))
        try:
            check_archive(path, "images.zip")
            outcomes.add(read_member(ArchiveMember(path, "a.bmp"), 2**20) == FILE)
        except (DataError, RowError) as error:
            outcomes.add(type(error) if "\n" not in str(error) else str(error))
    assert outcomes == {True, DataError, RowError}

"""Where a picture may come from, and what it is called."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from llmood.tasks.images.limits import Limits
from llmood.tasks.images.read import image_digest, read_image
from llmood.tasks.row_errors import RowError
from tests.pictures import saved, speckled

PICTURE = speckled(6, 5)
FILE = saved(PICTURE, "PNG")


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def refused(source: Any, **options: Any) -> str:
    with pytest.raises(RowError) as caught:
        read_image(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_way_gives_the_same_picture(tmp_path: Path) -> None:
    # A wrong name is no matter: the bytes say what they are.
    (tmp_path / "wrong.jpg").write_bytes(FILE)
    sources: list[Any] = [
        FILE,
        data_url(FILE),
        data_url(FILE, "image/jpeg").replace("data:", "DATA:"),
        str(tmp_path / "wrong.jpg"),
        tmp_path / "wrong.jpg",
        "wrong.jpg",
        Path("wrong.jpg"),
        {"bytes": FILE, "path": "gone.png"},
        {"bytes": None, "path": "wrong.jpg"},
    ]
    for source in sources:
        assert read_image(source, folder=tmp_path).tobytes() == PICTURE.tobytes()


@pytest.mark.parametrize(
    "source", [None, "", b"", {}, {"bytes": b"", "path": None}, "data:image/png;base64,"]
)
def test_a_missing_picture(source: Any) -> None:
    assert refused(source) == "picture: is missing"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (7, "wrong type: picture is an int, not a path, a data URL or bytes"),
        (["a.png"], "wrong type: picture is a list, not a path, a data URL or bytes"),
        (
            "https://example.com/a.png",
            "picture: 'https://example.com/a.png' is no file here; download it first",
        ),
        ("file:///etc/passwd", "picture: 'file:///etc/passwd' is no file here; download it first"),
        ("data:image/png,abc", "picture: a data URL is needed in the form data:image/png;base64,…"),
        ("data:image/png;base64,a b", "picture: the data URL is no base64"),
        ("data:image/png;base64,é", "picture: the data URL is no base64"),
        (
            "data:image/png;base64,YQ==",
            "picture: is no file of PNG, JPEG, GIF, WEBP, BMP, TIFF that can be read",
        ),
    ],
)
def test_what_is_no_picture(source: Any, reason: str) -> None:
    assert refused(source) == reason


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("gone.png", ".", "pipe.png"):
        assert refused(name, folder=tmp_path).startswith("picture: no file ")
    assert refused("empty.png", folder=tmp_path).endswith("empty.png' is empty")
    assert "no file" in refused("a\0b.png", folder=tmp_path)
    long = refused("x" * 5000, folder=tmp_path)
    assert "x" * 30 in long
    assert len(long) < 200


def test_more_bytes_than_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(FILE)
    for source in (FILE, "a.png", data_url(FILE)):
        assert read_image(source, folder=tmp_path, limits=Limits(max_bytes=len(FILE))).size == (6, 5)
        limits = Limits(max_bytes=len(FILE) - 1)
        reason = refused(source, folder=tmp_path, limits=limits)
        assert reason == f"picture: has more than the {len(FILE) - 1:,} bytes that are read"


def test_a_picture_is_called_by_what_it_shows() -> None:
    name = image_digest(PICTURE)
    assert name == image_digest(read_image(saved(PICTURE, "BMP")))
    assert name != image_digest(speckled(6, 5, seed=1))
    assert name != image_digest(Image.frombytes("RGB", (5, 6), PICTURE.tobytes()))  # its size is part of it
    with pytest.raises(ValueError, match="RGB"):
        image_digest(PICTURE.convert("L"))

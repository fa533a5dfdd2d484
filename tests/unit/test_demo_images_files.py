"""What is checked in of the demo's pictures: rows, archive, weights, and how they were measured."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.pictures import demo_module

scenes, drawing, store = demo_module("scenes"), demo_module("draw"), demo_module("store")
DEMO = Path(__file__).resolve().parents[2] / "tasks" / "demo_images"
DATA, MODELS = DEMO / "data", DEMO / "models"
FAR = ("outline_test", "hatched_test", "night_test", "flags_test")


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Any]]:
    return scenes.make_splits()


def test_rows_are_what_the_seed_makes(splits: dict[str, list[Any]]) -> None:
    assert {path.stem for path in DATA.glob("*.jsonl")} == set(splits)
    for name, rows in splits.items():
        stored = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]
        assert [
            (row["id"], row["question"], row["answers"], row["kind"], row["picture"]) for row in stored
        ] == [(row.id, row.question, [row.answer], row.kind, store.member_of(row)) for row in rows]


def test_the_archive_holds_each_picture_once_as_it_is_drawn(splits: dict[str, list[Any]]) -> None:
    pictures = store.pictures(splits)
    with zipfile.ZipFile(DATA / store.ARCHIVE) as archive:
        members = archive.infolist()
        assert [member.filename for member in members] == sorted(pictures)
        # Stored, and of no moment: the same pictures give the same bytes.
        assert {(member.compress_type, member.date_time) for member in members} == {
            (zipfile.ZIP_STORED, store.WRITTEN)
        }
        for name in [*sorted(pictures)[::40], *(n for n in pictures if n.startswith("flags"))]:
            shown = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            assert shown.tobytes() == drawing.draw(pictures[name]).tobytes(), name


def test_writing_twice_gives_the_same_bytes(splits: dict[str, list[Any]], tmp_path: Path) -> None:
    few = {name: rows[:3] for name, rows in splits.items()}
    for folder in ("one", "two"):
        store.write_splits(few, tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()

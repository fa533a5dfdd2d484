"""Corrupted tasks: what a picture becomes, when, and what its sample keeps of the original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from llmood.config import Grid
from llmood.errors import ConfigError, DataError
from llmood.picture_records import Corruptions, Spoilt
from llmood.records import Sample
from llmood.tasks import LoadedTask, load_task
from llmood.tasks.corrupt import CORRUPTIONS
from llmood.tasks.corrupted import corrupted
from llmood.tasks.corruption_choice import cells_of, check_sides, corruptions_of
from llmood.tasks.images import cells
from llmood.tasks.images.cells import load_picture
from llmood.tasks.images.corrupt import IMAGE_CORRUPTIONS, corrupt_image
from llmood.tasks.images.read import image_digest
from llmood.tasks.row_errors import RowError
from tests.pictures import demo_pictures
from tests.task_files import write_task

PICTURES = 4
WORDS = "What colour is the shape at the top left of it?"


def write_shapes(folder: Path, **row: Any) -> LoadedTask:
    """A question about each of the demo's first pictures, two of them of one group."""
    folder.mkdir(exist_ok=True)
    rows = []
    for number, image in enumerate(demo_pictures(PICTURES)):
        image.save(folder / f"{number}.png")
        rows.append({"text": WORDS, "image": f"{number}.png", "scene": str(number // 2), **row})
    spec = write_task(folder, {"test": rows}, name="shapes", fields={"images": "image", "group": "scene"})
    return load_task(spec, keep_cells=True)


@pytest.fixture
def shapes(tmp_path: Path) -> LoadedTask:
    return write_shapes(tmp_path / "shapes")


def of(samples: LoadedTask) -> list[Sample]:
    return samples.samples["test"]


@pytest.mark.parametrize("name", IMAGE_CORRUPTIONS.names())
def test_a_sample_keeps_all_but_its_picture(shapes: LoadedTask, name: str) -> None:
    (made,) = corrupted(shapes, [Corruptions("shapes", image=name, image_grade=4)], seed=3)
    assert made.spec.name == f"shapes.{name}.4"
    for before, after in zip(of(shapes), of(made), strict=True):
        assert (after.parent_id, after.group, after.severity) == (before.sample_id, before.group, 4)
        assert (after.task, after.messages) == (f"shapes.{name}.4", before.messages)
        key = f"{before.sample_id}:picture.0"
        expected = corrupt_image(load_picture(before.pictures[0]), name, 4, seed=3, key=key)
        assert load_picture(after.pictures[0]).tobytes() == expected.tobytes()
        assert after.images == (image_digest(expected),)
        assert after.images != before.images
    assert len({sample.sample_id for sample in (*of(shapes), *of(made))}) == 2 * PICTURES


def test_the_same_seed_gives_the_same_samples_and_another_gives_others(shapes: LoadedTask) -> None:
    wanted = [Corruptions("shapes", image="noise", image_grade=2)]
    one, again, other = (of(corrupted(shapes, wanted, seed=seed)[0]) for seed in (1, 1, 2))
    assert one == again
    assert not {sample.images for sample in one} & {sample.images for sample in other}


def test_no_pixels_are_kept(shapes: LoadedTask) -> None:
    (made,) = corrupted(shapes, [Corruptions("shapes", image="blur", image_grade=5)])
    for before, after in zip(of(shapes), of(made), strict=True):
        (picture,) = after.pictures
        assert isinstance(picture.source, Spoilt)
        assert picture.source.picture == before.pictures[0]
        assert isinstance(picture.source.picture.source, Path)


def test_an_original_is_read_once_for_all_that_is_made_of_it(
    shapes: LoadedTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[str] = Counter()
    honest = cells.read_image

    def counted(source: Any, **options: Any) -> Any:
        read[str(source)] += 1
        return honest(source, **options)

    monkeypatch.setattr(cells, "read_image", counted)
    made = corrupted(shapes, cells_of(Grid(images=("blur", "noise"), texts=("typos", "case")), "shapes"))
    assert len(made) == 7 * 7 - 1
    assert set(read.values()) == {1}


def test_a_picture_that_changed_is_no_longer_the_samples(shapes: LoadedTask, tmp_path: Path) -> None:
    wanted = [Corruptions("shapes", image="blur", image_grade=1)]
    (made,) = corrupted(shapes, wanted)
    demo_pictures(PICTURES + 1)[-1].save(tmp_path / "shapes" / "0.png")
    with pytest.raises(RowError, match="its file shows another one"):
        load_picture(of(made)[0].pictures[0])
    with pytest.raises(DataError, match=r"test\.jsonl:1: picture: its file shows another one"):
        corrupted(shapes, wanted)


@pytest.fixture
def moody() -> Iterator[str]:
    """A corruption that forgets its seed."""
    from llmood.tasks.images.corruptions.base import ImageCorruption

    calls = iter(range(100))
    IMAGE_CORRUPTIONS.names()
    change = ImageCorruption(
        "moody", "", (1, 2, 3, 4, 5), lambda image, *_: Image.new("RGB", image.size, (next(calls), 0, 0))
    )
    IMAGE_CORRUPTIONS.add("moody", change)
    yield "moody"
    del IMAGE_CORRUPTIONS._items["moody"]


def test_a_corruption_that_makes_other_pixels_each_time_is_found_out(shapes: LoadedTask, moody: str) -> None:
    (made,) = corrupted(shapes, [Corruptions("shapes", image=moody, image_grade=1)])
    with pytest.raises(RowError, match="'moody' makes another one than when the rows were read"):
        load_picture(of(made)[0].pictures[0])


def test_both_sides_are_those_of_each_alone(shapes: LoadedTask) -> None:
    """A cell of a grid has the pictures of its row and the words of its column."""
    made = corrupted(shapes, cells_of(Grid(images=("noise",), texts=("typos",), grades=(5, 2)), "shapes"))
    by_name = {task.spec.name: of(task) for task in made}
    assert list(by_name) == [
        "shapes.noise.2",
        "shapes.noise.5",
        "shapes.typos.2",
        "shapes.typos.5",
        "shapes.noise.2.typos.2",
        "shapes.noise.2.typos.5",
        "shapes.noise.5.typos.2",
        "shapes.noise.5.typos.5",
    ]
    both, pictures, words = (by_name[f"shapes.{name}"] for name in ("noise.2.typos.5", "noise.2", "typos.5"))
    for cell, picture, word in zip(both, pictures, words, strict=True):
        assert (cell.images, cell.messages) == (picture.images, word.messages)
        assert cell.parent_id == picture.parent_id == word.parent_id
        assert (cell.severity, picture.severity, word.severity) == (5, 2, 5)


def test_what_pictures_a_corruption_left_alone_is_a_check(tmp_path: Path) -> None:
    """Two questions have no picture; they stay, and are said."""
    folder = tmp_path / "mixed"
    write_shapes(folder)
    rows = [{"text": WORDS, "image": f"{number}.png"} for number in range(PICTURES)]
    rows += [{"text": f"{WORDS} {number}", "image": []} for number in range(2)]
    spec = write_task(folder, {"test": rows}, name="mixed", fields={"images": "image"})
    loaded = load_task(spec, keep_cells=True)
    wanted = [Corruptions("mixed", image="noise", image_grade=grade) for grade in (1, 2)]
    one, two = corrupted(loaded, [*wanted, Corruptions("mixed", "noise", 2, "typos", 1)])[:2]
    (check,) = (*one.checks, *two.checks)
    assert check.detail == (
        "Pictures of mixed.noise that are left as they were: 2 of 6 at grade 1, 2 of 6 at grade 2 "
        "(2 have no picture)."
    )
    assert (check.code, check.severity) == ("unchanged_by_corruption", "info")
    assert check.values["without_picture"] == 2
    assert [sample.images for sample in of(one)][4:] == [(), ()]


def test_a_task_without_pictures_has_none_to_corrupt(tmp_path: Path) -> None:
    loaded = load_task(
        write_task(tmp_path, {"test": [{"text": "hello there"}]}, name="words"), keep_cells=True
    )
    wanted = corruptions_of("blur", None, "words", "benchmark.ood[0].corruption")
    with pytest.raises(
        ConfigError, match=r"ood\[0\]\.corruption: 'blur' is for pictures, and words has none"
    ) as e:
        check_sides(loaded, wanted, "benchmark.ood[0].corruption")
    assert "typos" in str(e.value.hint)
    check_sides(loaded, corruptions_of("typos", 1, "words", "here"), "here")


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"images": ["typos"], "texts": ["case"]}, r"grid\.images\[0\]: 'typos' is a corruption of texts"),
        (
            {"images": ["blur"], "texts": ["case", "jpeg"]},
            r"grid\.texts\[1\]: 'jpeg' is a corruption of pictures",
        ),
        ({"images": ["blurr"], "texts": ["case"]}, r"grid\.images\[0\]: no corruption 'blurr'"),
    ],
)
def test_a_grids_sides_are_not_mixed_up(grid: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cells_of(Grid.model_validate(grid), "shapes")


def test_no_name_is_of_both_kinds() -> None:
    assert not set(CORRUPTIONS.names()) & set(IMAGE_CORRUPTIONS.names())

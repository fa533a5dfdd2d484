"""Pictures that rows name: where they may lie, what names a sample then, and what a bad one says."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmood.errors import ConfigError
from llmood.records import Sample
from llmood.tasks import LoadedTask, TaskSpec, load_task
from llmood.tasks.images.cells import load_picture
from llmood.tasks.images.read import image_digest
from tests.pictures import demo_pictures, saved, speckled
from tests.task_files import Rows, write_task

ONE, OTHER = demo_pictures(2)
ASKED = {"text": "which colour?"}


def load(folder: Path, rows: Rows, images: Any = "image", **keys: Any) -> LoadedTask:
    return load_task(write_task(folder, {"test": rows}, fields={"images": images}, **keys))


def samples(folder: Path, *rows: Mapping[str, Any], images: Any = "image") -> list[Sample]:
    loaded = load(folder, [{**ASKED, **row} for row in rows], images)
    assert loaded.rejects == []
    return loaded.samples["test"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with two pictures, and a third beside it."""
    folder = tmp_path / "home"
    (folder / "pictures").mkdir(parents=True)
    ONE.save(folder / "pictures" / "one.png")
    OTHER.save(folder / "pictures" / "other.png")
    ONE.save(tmp_path / "outside.png")
    return folder


def data_url(kind: str = "PNG") -> str:
    return f"data:image/png;base64,{base64.b64encode(saved(ONE, kind)).decode()}"


def test_a_picture_is_its_pixels_however_it_comes(home: Path, tmp_path: Path) -> None:
    spellings = (
        "pictures/one.png",
        "./pictures/../pictures/one.png",
        str(tmp_path / "outside.png"),
        data_url(),
        {"bytes": None, "path": "pictures/one.png"},
    )
    ids = set()
    for spelling in spellings:
        (sample,) = samples(home, {"image": spelling})
        assert sample.images == (image_digest(ONE),)
        assert load_picture(sample.pictures[0]).tobytes() == ONE.tobytes()
        ids.add(sample.sample_id)
    table = pa.table({"text": ["which colour?"], "image": [{"bytes": saved(ONE, "BMP"), "path": "x"}]})
    pq.write_table(table, home / "test.parquet")
    spec = write_task(home, fields={"images": "image"}, sources=[{"files": {"test": "test.parquet"}}])
    (sample,) = load_task(spec).samples["test"]
    ids.add(sample.sample_id)
    assert len(ids) == 1


def test_the_sample_is_the_question_and_the_picture(home: Path) -> None:
    one, other, none = samples(
        home, {"image": "pictures/one.png"}, {"image": "pictures/other.png"}, {"image": []}
    )
    assert len({one.sample_id, other.sample_id, none.sample_id}) == 3
    assert none.images == ()
    # As it was before there were pictures.
    (plain,) = load_task(write_task(home, {"test": [ASKED]})).samples["test"]
    assert none.sample_id == plain.sample_id


def test_several_columns_lists_and_templates(home: Path) -> None:
    (sample,) = samples(
        home,
        {"left": ["pictures/one.png", "pictures/other.png"], "right": "one"},
        images=["left", "pictures/{{ right }}.png"],
    )
    assert sample.images == tuple(map(image_digest, (ONE, OTHER, ONE)))


def test_another_picture_is_no_near_copy(home: Path) -> None:
    spec = write_task(
        home,
        {
            "train": [{**ASKED, "image": "pictures/one.png"}],
            "test": [{**ASKED, "image": "pictures/other.png"}],
        },
        fields={"images": "image"},
    )
    assert load_task(spec).checks == []
    shared = {split: [{**ASKED, "image": "pictures/one.png"}] for split in ("train", "test")}
    with pytest.raises(ConfigError, match="share 1 texts"):
        load_task(write_task(home, shared, fields={"images": "image"}))


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "picture: is missing"),
        ("", "picture: is missing"),
        ("pictures/two.png", "picture: no file '"),
        ("../outside.png", "picture: '../outside.png' leaves the folder of the rows"),
        ("pictures/../../outside.png", "picture: 'pictures/../../outside.png' leaves the folder"),
        ("https://example.org/a.png", "picture: 'https://example.org/a.png' is no file here"),
        ("pictures", "picture: no file '"),
        ("half.png", "picture: can't be decoded"),
        ("test.jsonl", "picture: is no file of PNG"),
        ("dot.png", "picture: is 1 × 1 pixels"),
        (7, "wrong type: picture is an int"),
        (["pictures/one.png", 7], "wrong type: picture is an int"),
    ],
)
def test_a_bad_picture_is_a_reject(home: Path, cell: Any, reason: str) -> None:
    (home / "half.png").write_bytes(saved(ONE, "PNG")[:200])
    speckled(1, 1).save(home / "dot.png")
    loaded = load(home, [{**ASKED, "image": cell}, {**ASKED, "image": "pictures/one.png"}])
    (reject,) = loaded.rejects
    assert (reject.line, len(loaded.samples["test"])) == (1, 1)
    assert reject.reason.startswith(reason)


def test_rows_without_a_picture_can_be_left_out(home: Path) -> None:
    rows = [
        {**ASKED, "image": {"bytes": None, "path": "pictures/one.png"}},
        {**ASKED, "image": None},
        {**ASKED, "image": "pictures/other.png"},
    ]
    files = {"files": "{split}.jsonl", "splits": {"test": "test"}}
    loaded = load(home, rows, sources=[{**files, "where_not": {"image": None}}])
    assert [sample.images for sample in loaded.samples["test"]] == [
        (image_digest(picture),) for picture in (ONE, OTHER)
    ]
    table = pa.table({"text": ["which?"] * 2, "image": [{"bytes": saved(ONE, "PNG"), "path": None}, None]})
    pq.write_table(table, home / "test.parquet")
    files = {"files": {"test": "test.parquet"}, "where_not": {"image": None}}
    loaded = load_task(write_task(home, fields={"images": "image"}, sources=[files]))
    assert (len(loaded.samples["test"]), loaded.rejects) == (1, [])


def test_one_question_about_many_pictures(home: Path) -> None:
    rows = [{"image": f"pictures/{name}.png"} for name in ("one", "other")]
    one, other = load(home, rows, prompt="What is it?").samples["test"]
    assert one.text == other.text == "What is it?"
    assert one.sample_id != other.sample_id
    with pytest.raises(ConfigError, match="uses no column"):
        load_task(write_task(home, {"test": rows}, prompt="What is it?"))


def test_a_column_that_no_row_has(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"fields.images: no column 'picture'"):
        load(home, [{**ASKED, "image": "pictures/one.png"}], "picture")


def test_a_hub_column_of_pictures(home: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = home / "hub"
    folder.mkdir()
    table = {"text": ["which colour?"], "image": [ONE]}
    features = datasets.Features({"text": datasets.Value("string"), "image": datasets.Image()})
    datasets.Dataset.from_dict(table, features=features).to_parquet(folder / "test.parquet")
    source = {"hub": "hub", "splits": {"test": "test"}}
    (sample,) = load_task(write_task(home, fields={"images": "image"}, sources=[source])).samples["test"]
    assert sample.images == (image_digest(ONE),)


def test_fields_say_what_they_take() -> None:
    with pytest.raises(ValueError, match="a column, or a list of columns, is needed"):
        TaskSpec.model_validate(
            {
                "name": "t",
                "prompt": "{{ x }}",
                "sources": [{"files": {"test": "x"}}],
                "fields": {"images": {"a": 1}},
            }
        )

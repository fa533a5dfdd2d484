"""Bad pictures through the command line: each is one row with a reason, the others go on, and memory stays bounded."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from llmood.engines.kept_pixels import KeptPixels
from llmood.engines.vllm_build import has_torchvision
from tests.pictures import claiming, png, saved, speckled
from tests.task_files import write_task
from tests.tiny_pictures import save_llava, save_pictured
from tests.tiny_qwen import save_qwen
from tests.worlds import Outcome, llmood, refused, spawn

pytestmark = pytest.mark.usefixtures("no_report")

GOOD = 6
PICTURES = [speckled(30, 20, seed) for seed in range(GOOD)]
FILES: dict[str, bytes] = {
    **{f"good{number}.png": saved(image, "PNG") for number, image in enumerate(PICTURES)},
    "half.png": saved(PICTURES[0], "PNG")[:150],
    "half.jpg": saved(speckled(99, 99), "JPEG")[:900],
    "moves.gif": saved(PICTURES[0], "GIF", save_all=True, append_images=PICTURES[1:3]),
    "moves.png": saved(PICTURES[0], "PNG", save_all=True, append_images=PICTURES[1:3]),
    "pixel.png": saved(speckled(1, 1), "PNG"),
    "hundred.png": claiming("PNG", 10_000, 10_000),
    "hundred.jpg": claiming("JPEG", 10_000, 10_000),
    "thread.png": saved(Image.new("RGB", (2, 600)), "PNG"),
    "words.png": b"no picture, only words",
    "drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "empty.png": b"",
    "deep.png": saved(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100), "PNG"),
    "deepcolour.png": png(8, 8, 16, 2, bytes(range(48)) * 8),
    "print.jpg": saved(PICTURES[1].convert("CMYK"), "JPEG"),
    "jpeg.png": saved(PICTURES[2], "JPEG"),
}
REFUSED: list[tuple[Any, str]] = [
    ("nowhere.png", r"picture: no file '.*nowhere\.png'"),
    ("half.png", "picture: can't be decoded: image file is truncated"),
    ("half.jpg", "picture: can't be decoded: image file is truncated"),
    *((name, "picture: has several frames") for name in ("moves.gif", "moves.png")),
    ("pixel.png", "picture: is 1 × 1 pixels, and shows nothing"),
    ("hundred.png", "picture: is 10,000 × 10,000 pixels, more than the 50,000,000 that are read"),
    ("hundred.jpg", "picture: is 10,000 × 10,000 pixels, more than the 50,000,000 that are read"),
    ("thread.png", "picture: is 2 × 600 pixels, more than 200 times as long as wide"),
    ("words.png", "picture: is no file of PNG, "),
    ("drawing.png", "picture: is no file of PNG, "),
    ("empty.png", r"picture: '.*empty\.png' is empty"),
    ("a red circle on white", "picture: no file '.*a red circle on white'"),
    (None, "picture: is missing"),
    (7, "wrong type: picture is an int, not a path"),
    (["good0.png", "nowhere.png"], r"picture: no file '.*nowhere\.png'"),
    ("https://example.org/a.png", "picture: 'https://example.org/a.png' is no file here; download it"),
    ("/dev/zero", "picture: no file '/dev/zero'"),
    ("../t.yaml", r"picture: '\.\./t\.yaml' leaves the folder"),
]
READ = ["deep.png", "deepcolour.png", "print.jpg", "jpeg.png"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    save_llava(folder / "llava")
    save_pictured(folder / "idefics")
    good = [{"text": f"which {number}?", "image": f"good{number}.png"} for number in range(GOOD)]
    bad = [{"text": "what?", "image": cell} for cell, _ in REFUSED]
    read = [{"text": "what?", "image": name} for name in READ]
    several = [{"text": "same?", "image": [f"good{n}.png" for n in range(many)]} for many in (1, 2, 5)]
    odd = [{"text": "what is <image>?", "image": "good0.png"}, {"text": "no picture?", "image": []}]
    tasks = {"good": good, "mixed": [*bad, *read, *odd, *several], "bad": bad}
    for name, rows in tasks.items():
        (folder / name).mkdir()
        for file, data in FILES.items():
            (folder / name / file).write_bytes(data)
        write_task(folder / name, {"test": rows}, name=name, fields={"images": "image"})
    return folder


def configured(folder: Path, home: Path, ood: Path, model: str) -> Path:
    config = {
        "benchmark": {
            "name": "bad",
            "id": str(home / "good" / "t.yaml"),
            "ood": [{"task": str(ood / "t.yaml"), "shift": "far"}],
        },
        "models": {"tuned": str(home / model)},
        "engine": {"kind": "transformers", "device": "cpu"},
        "scorers": ["likelihood"],
        "bootstrap": {"draws": 100},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def run(folder: Path, home: Path, ood: str | Path, model: str = "llava") -> Outcome:
    return llmood("run", configured(folder, home, home / ood, model), "-o", folder / "run")


def rejects(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run/rejects.jsonl").read_text().splitlines()]


def outcomes(folder: Path, task: str) -> list[tuple[str, str, str | None]]:
    """Line, status and reason of a task's samples, in the file's order."""
    samples = pq.read_table(folder / "run" / "samples.parquet").to_pylist()
    lines = {row["sample_id"]: row["source_line"] for row in samples if row["task"] == task}
    scores = pq.read_table(folder / "run" / "scores.parquet").to_pylist()
    return [
        (lines[row["sample_id"]], row["status"], row["reason"])
        for row in scores
        if row["scorer"] == "likelihood" and row["sample_id"] in lines
    ]


def test_each_is_a_row_with_a_reason_and_the_rest_go_on(home: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, home, "mixed")
    assert outcome.code == 1, outcome
    found = rejects(tmp_path)
    assert [(row["file"], row["line"]) for row in found] == [
        ("test.jsonl", line) for line in range(1, len(REFUSED) + 1)
    ]
    for row, (_, reason) in zip(found, REFUSED, strict=True):
        assert re.match(reason, row["reason"]), row
        assert "\n" not in row["reason"]
    # The first are said at the end, with where they stand; the last are in the file.
    assert "test.jsonl:1 " in outcome.out
    assert f"{len(REFUSED)} rows of mixed can't be read" in outcome.out + outcome.err
    line = len(REFUSED)
    assert outcomes(tmp_path, "mixed") == [
        *((f"test.jsonl:{line + number}", "ok", None) for number in range(1, len(READ) + 1)),
        (
            f"test.jsonl:{line + 5}",
            "unscored",
            "the text itself holds <image>, which stands for a picture",
        ),
        (f"test.jsonl:{line + 6}", "ok", None),
        (f"test.jsonl:{line + 7}", "ok", None),
        (f"test.jsonl:{line + 8}", "unscored", "2 pictures, and the model takes 1"),
        (f"test.jsonl:{line + 9}", "unscored", "5 pictures, and the model takes 1"),
    ]


def test_more_pictures_than_the_context_holds(home: Path, tmp_path: Path) -> None:
    rows = [{"text": "same?", "image": ["good0.png"] * many} for many in (1, 40)]
    shutil.copytree(home / "good", tmp_path / "many")
    write_task(tmp_path / "many", {"test": rows}, name="many", fields={"images": "image"})
    outcome = run(tmp_path, home, tmp_path / "many", "idefics")
    assert outcome.code == 0, outcome
    (_, first, _), (line, second, reason) = outcomes(tmp_path, "many")
    assert (first, second, line) == ("ok", "unscored", "test.jsonl:2")
    assert re.fullmatch(r"\d+ tokens are over the context of 128", str(reason))


def test_nothing_but_bad_ones_is_a_mistake(home: Path, tmp_path: Path) -> None:
    refused(run(tmp_path, home, "bad"), "bad: ", "test", "picture: no file")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", ["llava", "idefics"])
def test_a_file_that_changes_while_it_runs_fails_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    shutil.copytree(home / "good", tmp_path / "moving")
    rows = [{"text": f"what {number}?", "image": f"good{number}.png"} for number in range(GOOD)]
    write_task(tmp_path / "moving", {"test": rows}, name="moving", fields={"images": "image"})
    from llmood import run as module

    original = module.observe_plan

    def later(*arguments: Any) -> Any:
        (tmp_path / "moving" / "good1.png").unlink()
        (tmp_path / "moving" / "good2.png").write_bytes(FILES["good3.png"])
        (tmp_path / "moving" / "good4.png").write_bytes(FILES["half.png"])
        return original(*arguments)

    monkeypatch.setattr(module, "observe_plan", later)
    # What is kept of a picture is shown as it was; here nothing is, as behind many other pictures.
    monkeypatch.setattr(KeptPixels, "get", lambda *_: None)
    outcome = run(tmp_path, home, tmp_path / "moving", model)
    assert outcome.code == 1, outcome
    found = outcomes(tmp_path, "moving")
    assert [status for _, status, _ in found] == ["ok", "failed", "failed", "ok", "failed", "ok"]
    reasons = [str(reason) for _, status, reason in found if status == "failed"]
    assert re.fullmatch(r"picture: no file '.*good1\.png'", reasons[0])
    assert reasons[1] == "picture: its file shows another one than when the rows were read"
    assert reasons[2] == "picture: can't be decoded: image file is truncated"


@pytest.mark.skipif(has_torchvision(), reason="what lacks torchvision is read with it")
def test_nobody_installs_for_a_kind_that_is_not_known(home: Path, tmp_path: Path) -> None:
    """It gives what Qwen-VL's kind does, and isn't one of those that were tried."""
    path = save_qwen(tmp_path / "glm") / "preprocessor_config.json"
    values = {"processor_class": "Glm4vProcessor", "image_processor_type": "Glm4vImageProcessor"}
    path.write_text(json.dumps(values), encoding="utf-8")
    outcome = run(tmp_path, home, "mixed", str(tmp_path / "glm"))
    refused(outcome, "models.tuned: its processor gives image_grid_thw, which is not known for pictures yet")
    assert "torchvision" not in outcome.err.lower()
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(has_torchvision(), reason="what lacks torchvision is read with it")
def test_a_processor_that_lacks_torchvision_is_refused_in_one_sentence(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "idefics", tmp_path / "smol")
    for name in ("processor_config.json", "preprocessor_config.json"):
        (tmp_path / "smol" / name).unlink(missing_ok=True)
    values = {"processor_class": "SmolVLMProcessor", "image_processor_type": "SmolVLMImageProcessor"}
    (tmp_path / "smol" / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    outcome = run(tmp_path, home, "mixed", str(tmp_path / "smol"))
    refused(
        outcome, "models.tuned: the processor in ", "was not found in your environment (install torchvision "
    )


PEAK = r"""
import atexit, re
def say():
    with open("/proc/self/status") as status:
        print("peak", re.search(r"VmHWM:\s*([0-9]+)", status.read())[1], file=sys.stderr)
atexit.register(say)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_memory_is_that_of_a_few_pictures(home: Path, tmp_path: Path) -> None:
    large = speckled(70, 70).resize((7000, 7000))
    (tmp_path / "large").mkdir()
    for number in range(5):
        large.putpixel((number, 0), (number, 1, 2))
        large.save(tmp_path / "large" / f"{number}.jpg", quality=80)
    Image.new("RGB", (10_000, 10_000), "red").save(tmp_path / "large" / "hundred.png")
    names = [f"{number}.jpg" for number in range(5)]
    cells = ["hundred.png", names, names[:2], *names[:2]]
    rows = [{"text": f"what {number}?", "image": cell} for number, cell in enumerate(cells)]
    write_task(tmp_path / "large", {"test": rows}, name="large", fields={"images": "image"})
    peaks = []
    for name, task in (("small", home / "mixed"), ("run", tmp_path / "large")):
        config = configured(tmp_path, home, task, "idefics")
        with spawn("run", config, "-o", tmp_path / name, cwd=tmp_path, patch=PEAK) as process:
            _, err = process.communicate(timeout=300)
        assert process.returncode == 1, err
        peaks.append(int(err.rpartition("peak ")[2]) // 1024)
    assert [row["line"] for row in rejects(tmp_path)] == [1]
    statuses = outcomes(tmp_path, "large")
    together = "picture: 5 together have more than the 100,000,000 pixels of one sample that are read"
    assert [(status, reason) for _, status, reason in statuses] == [("failed", together), *[("ok", None)] * 3]
    # Five pictures at once are 735 MB as RGB, and as much again on their way to the model; two are what is let through.
    assert peaks[1] - peaks[0] < 1200, peaks

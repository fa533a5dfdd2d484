"""Questions about pictures through the command line, with a tiny model that sees: a whole run, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from llmood.report import render_report
from llmood.report.model_card import render_model_card
from llmood.report.read import read_run
from llmood.report.shift_grids import crossed_grids
from tests import tiny_models
from tests.pictures import demo_module, saved
from tests.task_files import write_task
from tests.tiny_pictures import SEEN, save_picture_adapter, save_pictured
from tests.worlds import Outcome, llmood, refused

pytestmark = pytest.mark.usefixtures("no_report")

SCORERS = ["likelihood_ratio", "likelihood", "likelihood.base", "likelihood.mean", "length"]
ROWS = 12


def write_pictures(folder: Path, name: str, split: str, *, train: int = 0, bad: bool = False) -> None:
    """A task of the demo's questions, its pictures beside it."""
    scenes, draw = demo_module("scenes"), demo_module("draw")
    home = folder / name
    (home / "pictures").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    made = scenes.make_splits()
    for number, row in enumerate([*made[split][:ROWS], *made["id_train"][:train]]):
        draw.draw(row.picture).save(home / "pictures" / f"{number}.png")
        rows.append({"text": row.question, "image": f"pictures/{number}.png"})
    if bad:
        (home / "half.png").write_bytes(saved(draw.draw(made[split][0].picture), "PNG")[:150])
        rows += [{"text": "which?", "image": "half.png"}, {"text": "which?", "image": "../0.png"}]
    splits = {"test": rows[:-train], "train": rows[-train:]} if train else {"test": rows}
    write_task(home, splits, name=name, fields={"images": "image"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder, "shapes", "id_test", train=80)
    write_pictures(folder, "flags", "flags_test")
    write_pictures(folder, "spoilt", "near_test", bad=True)
    pairs = [{"text": "same?", "image": ["0.png", f"{n}.png"]} for n in (1, 2, 3)]
    (folder / "pairs").symlink_to(folder / "shapes" / "pictures")
    pairs.append({"text": "which?", "image": ["4.png"]})
    write_task(folder / "pairs", {"test": pairs}, name="pairs", fields={"images": "image"})
    save_picture_adapter(folder / "adapter", save_pictured(folder / "base"))
    return folder


def configured(home: Path, *ood: str, **keys: Any) -> Path:
    config = {
        "benchmark": {
            "name": "seen",
            "id": str(home / "shapes" / "t.yaml"),
            "ood": [{"task": str(home / name / "t.yaml"), "shift": "far"} for name in ood],
        },
        "models": {"base": str(home / "base"), "tuned": {"adapter": str(home / "adapter")}},
        "engine": {"kind": "transformers", "device": "cpu"},
        "scorers": SCORERS,
        "bootstrap": {"draws": 100},
        **keys,
    }
    path = home / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def run(home: Path, *options: object, ood: tuple[str, ...] = ("flags",), **keys: Any) -> Outcome:
    return llmood("run", configured(home, *ood, **keys), *options)


def test_a_run(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome
    samples = pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    assert len({row["images"][0] for row in samples}) == len(samples) == 2 * ROWS
    for row in samples:
        picture, words = json.loads(row["messages"])[0]["content"]
        assert picture == {"type": "image", "image": row["images"][0]}
        assert row["prompt"] == f"<image>{words['text']}"
        # Three tokens around the picture's own, and a byte is a token.
        assert row["prompt_tokens"] == len(words["text"].encode()) + SEEN + 3
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {(row["status"], row["reason"]) for row in scores} == {("ok", None)}
    by_scorer = {name: {row["score"] for row in scores if row["scorer"] == name} for name in SCORERS}
    assert len(by_scorer["likelihood_ratio"]) == 2 * ROWS
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    auroc = {
        record["scorer"]
        for record in metrics
        if (record["question"], record["metric"]) == ("ood_detection", "auroc")
        and record["value"] is not None
    }
    assert set(SCORERS) <= auroc
    checks = json.loads((tmp_path / "run" / "checks.json").read_text())
    assert not [check for check in checks if check["severity"] == "error"]
    canary = json.loads((tmp_path / "run" / "run.json").read_text())["canary"]
    assert canary["path"] == "transformers, each text alone"
    assert {role: each["largest"] < 1e-4 for role, each in canary["differences"].items()} == {
        "base": True,
        "tuned": True,
    }
    again = llmood("run", home / "config.yaml", "-o", tmp_path / "again")
    assert again.code == 0
    assert "prompt_logprobs" not in again.err  # nothing is captured twice


def test_answers_about_pictures(home: Path, tmp_path: Path) -> None:
    names = ["likelihood.response", "likelihood_ratio.prompt_response", "perplexity.response"]
    outcome = run(home, "-o", tmp_path / "run", scorers=names[:2], response={"max_new_tokens": 4})
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores} <= {"ok", "unscored"}
    assert [row for row in scores if row["status"] == "ok"]


def crossed(home: Path, **benchmark: Any) -> Path:
    shown = {"name": "crossed", "id": str(home / "shapes" / "t.yaml"), **benchmark}
    return configured(home, benchmark=shown, scorers=["likelihood", "likelihood_ratio"])


GRID = {"images": ["noise", "blur"], "texts": ["typos"], "grades": [1, 4]}


def test_a_grid_of_corrupted_pictures_and_words(home: Path, tmp_path: Path) -> None:
    """The blurred grades stand in the benchmark anyway: they are the grid's, too."""
    config = crossed(home, ood=[{"corruption": "blur", "severity": 4}], grid=GRID)
    outcome = llmood("run", config, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome
    tasks = json.loads((tmp_path / "run" / "run.json").read_text())["tasks"]
    cells = {task["name"]: task["corruptions"] for task in tasks}
    assert len(cells) == len(tasks) == (1 + 2 * 2) * (1 + 2)
    assert cells["shapes"] is None
    assert cells["shapes.noise.4.typos.1"] == {
        "of": "shapes",
        "image": "noise",
        "image_grade": 4,
        "text": "typos",
        "text_grade": 1,
    }
    both = [task for task in tasks if task["family"] == "shapes.noise.typos"]
    assert [(task["name"], task["severity"]) for task in both] == [
        ("shapes.noise.1.typos.1", 1),
        ("shapes.noise.1.typos.4", 4),
        ("shapes.noise.4.typos.1", 4),
        ("shapes.noise.4.typos.4", 4),
    ]
    samples = {
        row["sample_id"]: row for row in pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    }
    for row in samples.values():
        if row["task"] != "shapes":
            parent, done = samples[row["parent_id"]], cells[row["task"]]
            assert (row["images"] == parent["images"]) == (done["image"] is None)
            if done["text"] is None:
                assert row["prompt"] == parent["prompt"]
            assert row["severity"] == max(done["image_grade"], done["text_grade"])
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores} == {"ok"}
    by_question = {
        (record["ood_task"], record["metric"], record["scorer"]): record
        for record in json.loads((tmp_path / "run" / "metrics.json").read_text())
        if record["slice"] is None
    }
    auroc = by_question["shapes.noise.4.typos.1", "auroc", "likelihood"]
    told = {"image_corruption": "noise", "image_grade": 4, "text_corruption": "typos", "text_grade": 1}
    assert auroc["params"].items() >= told.items()
    assert auroc["severity"] == 4
    assert by_question["shapes.noise.typos", "spearman_severity", "likelihood"]["params"]["grades"] == [
        0,
        1,
        4,
        4,
        4,
    ]
    again = llmood("run", config, "-o", tmp_path / "again")
    assert again.code == 0
    assert (
        "prompt_logprobs" not in again.err
    )  # the same pixels under the same names: nothing is captured twice
    assert not list((tmp_path / "run").rglob("*.png"))

    grid = crossed_grids(read_run(tmp_path / "run"))["shapes"]
    assert grid.rows == ("as it was", "noise 1", "noise 4", "blur 1", "blur 4")
    assert grid.columns == ("as it was", "typos 1", "typos 4")
    assert grid.tasks["blur 4", "typos 1"]["name"] == "shapes.blur.4.typos.1"
    assert len(grid.tasks) == 15
    page = render_report([tmp_path / "run"])
    section = page.partition(">As the shift grows<")[2].partition("</section>")[0]
    assert "shapes: pictures by words" in section
    assert section.count("<svg") == 1 + 1 + 3  # all grades, the grid, a curve for each side's corruptions
    shown = section.partition("<caption>AUROC of likelihood</caption>")[2].partition("</table>")[0]
    assert shown.count("<td") == len(grid.tasks)
    assert read_run(tmp_path / "run").single_ood_tasks == []
    card = render_model_card(tmp_path / "run")
    assert "`shapes` with corrupted pictures (rows), words (columns), and both" in card
    assert "`shapes.noise.typos`, grades 1, 4" in card


def test_what_a_grid_would_run(home: Path) -> None:
    outcome = llmood("run", crossed(home, grid=GRID), "--dry-run")
    assert outcome.code == 0, outcome
    assert f"grid: 8 of these have corrupted pictures and words at once, {8 * ROWS} samples" in outcome.out
    assert outcome.out.count("\nshapes.") == 14
    assert llmood("validate", crossed(home, grid=GRID)).code == 0


@pytest.mark.parametrize(
    ("benchmark", "words"),
    [
        ({"grid": {**GRID, "texts": ["blur"]}}, ("grid.texts[0]", "'blur' is a corruption of pictures")),
        ({"grid": {**GRID, "grades": [1, 6]}}, ("benchmark.grid.grades.1", "less than or equal to 5")),
        ({"grid": {**GRID, "grades": [2, 2]}}, ("benchmark.grid.grades", "2 stands there twice")),
        ({"grid": {**GRID, "images": []}}, ("benchmark.grid.images", "at least one")),
        ({"ood": [{"corruption": "blurr"}]}, ("benchmark.ood[0].corruption", "did you mean 'blur'")),
    ],
)
def test_a_wrong_grid_is_refused(home: Path, benchmark: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(llmood("run", crossed(home, **benchmark), "--dry-run"), *words)


def test_bad_pictures_are_rejects(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run", ood=("spoilt",))
    assert outcome.code == 1, outcome
    rejects = [json.loads(line) for line in (tmp_path / "run" / "rejects.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rejects] == [ROWS + 1, ROWS + 2]
    assert "can't be decoded" in rejects[0]["reason"]
    assert "leaves the folder of the rows" in rejects[1]["reason"]


def test_no_text_keeps_no_picture(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run", "--no-text")
    assert outcome.code == 0, outcome
    samples = pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    assert {(row["images"], row["messages"]) for row in samples} == {(None, None)}
    assert not list((tmp_path / "run").rglob("*.png"))


def test_more_than_one_picture_is_a_status(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run", ood=("pairs",), scorers=["likelihood"])
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    reasons = [row["reason"] for row in scores if row["scorer"] == "likelihood" and row["status"] != "ok"]
    assert reasons == ["2 pictures, and one is the most for now"] * 3
    assert {row["status"] for row in scores} == {"ok", "unscored"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"scorers": ["min_k_plus_plus"]}, ("min_k_plus_plus", "prompt_moments", "not for pictures yet")),
        ({"scorers": ["p_true"]}, ("p_true", "not for pictures yet")),
        ({"engine": {"kind": "fake"}, "models": {"base": "fake", "tuned": "fake-tuned:x"}}, ("'fake'",)),
    ],
)
def test_what_can_not_see_is_refused(
    home: Path, tmp_path: Path, keys: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused(run(home, "-o", tmp_path / "run", **keys), "shapes has them", *words)


def test_a_model_of_words_is_refused(home: Path, tmp_path: Path) -> None:
    blind = tiny_models.save_model(tmp_path / "blind")
    outcome = run(home, "-o", tmp_path / "run", models={"base": str(blind), "tuned": str(blind)})
    refused(outcome, "models.base", "sees no pictures", "shapes has them")


def test_nothing_is_made_that_leaves_pictures_out(home: Path, tmp_path: Path) -> None:
    config = configured(home)
    refused(llmood("fit", config, "-o", tmp_path / "fit"), "shapes: has pictures", "no detector")
    refused(llmood("finetune", config, "-o", tmp_path / "tuned"), "shapes: has pictures", "text alone")


def test_what_would_be_run(home: Path) -> None:
    outcome = llmood("run", configured(home, "flags"), "--dry-run")
    assert outcome.code == 0, outcome
    assert "<image>" in outcome.out
    assert llmood("validate", home / "shapes" / "t.yaml").code == 0

"""Questions about pictures through the command line, with a tiny model that sees: a whole run, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests import tiny_models
from tests.pictures import demo_module, saved
from tests.task_files import write_task
from tests.tiny_pictures import SEEN, save_picture_adapter, save_pictured
from tests.worlds import Outcome, llmood, refused

pytestmark = pytest.mark.usefixtures("no_report")

SCORERS = ["likelihood_ratio", "likelihood", "likelihood.base", "likelihood.mean", "length"]
ROWS = 12
FIELDS = {"images": "image", "label": "kind", "references": "answer"}


def write_pictures(folder: Path, name: str, split: str, *, train: int = 0, bad: bool = False) -> None:
    """A task of the demo's questions, its pictures beside it."""
    scenes, draw = demo_module("scenes"), demo_module("draw")
    home = folder / name
    (home / "pictures").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    made = scenes.make_splits()
    for number, row in enumerate([*made[split][:ROWS], *made["id_train"][:train]]):
        draw.draw(row.picture).save(home / "pictures" / f"{number}.png")
        rows.append(
            {"text": row.question, "image": f"pictures/{number}.png", "kind": row.kind, "answer": row.answer}
        )
    if bad:
        (home / "half.png").write_bytes(saved(draw.draw(made[split][0].picture), "PNG")[:150])
        rows += [
            {"text": "which?", "image": name, "kind": "which", "answer": "it"}
            for name in ("half.png", "../0.png")
        ]
    splits = {"test": rows[:-train], "train": rows[-train:]} if train else {"test": rows}
    write_task(home, splits, name=name, fields=FIELDS)


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
    save_picture_adapter(folder / "adapter", save_pictured(folder / "base", context=1024))
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


def test_what_the_states_know(home: Path, tmp_path: Path) -> None:
    names = {
        "knn": {"k": 3},
        "mahalanobis": {"layer": 1, "position": "mean_image"},
        "relative_mahalanobis": {"layer": 0, "position": "mean_text"},
        "pca_reconstruction": {"position": "last_prompt"},
        "cosine": {"position": "mean_prompt"},
    }
    keys: dict[str, Any] = {"hidden_states": {"positions": "last_prompt,mean_prompt,mean_image,mean_text"}}
    outcome = run(
        home, "-o", tmp_path / "run", scorers=[{name: given} for name, given in names.items()], **keys
    )
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {(row["status"], row["reason"]) for row in scores} == {("ok", None)}
    assert set(names) < {row["scorer"] for row in scores}  # beside the baselines
    assert len({row["score"] for row in scores}) > len(names) * ROWS
    refused(run(home, "-o", tmp_path / "no", scorers=[{"knn": {"position": "mean_image"}}]), "mean_image")


def test_prompts_about_answers(home: Path, tmp_path: Path) -> None:
    names = ["p_true", "verbalised_confidence", "rauq", "lexical_similarity"]
    keys: dict[str, Any] = {"response": {"max_new_tokens": 4}, "generations": {"n": 2, "max_new_tokens": 4}}
    outcome = run(home, "-o", tmp_path / "run", scorers=names, correctness="task", **keys)
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores if row["scorer"] in names} <= {"ok", "unscored"}
    assert set(names) - {"verbalised_confidence"} <= {
        row["scorer"] for row in scores if row["status"] == "ok"
    }


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
        (
            {"scorers": ["p_true.few_shot"], "correctness": "task"},
            ("p_true.few_shot", "without their pictures"),
        ),
        ({"engine": {"kind": "fake"}, "models": {"base": "fake", "tuned": "fake-tuned:x"}}, ("'fake'",)),
    ],
)
def test_what_can_not_see_is_refused(
    home: Path, tmp_path: Path, keys: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused(run(home, "-o", tmp_path / "run", **keys), "shapes has ", *words)


def test_a_model_of_words_is_refused(home: Path, tmp_path: Path) -> None:
    blind = tiny_models.save_model(tmp_path / "blind")
    outcome = run(home, "-o", tmp_path / "run", models={"base": str(blind), "tuned": str(blind)})
    refused(outcome, "models.base", "sees no pictures", "shapes has them")
    models = {"base": str(home / "base"), "tuned": str(home / "base"), "judge": str(blind)}
    outcome = run(home, "-o", tmp_path / "run", models=models, correctness="judge")
    refused(outcome, "correctness:", "models.judge sees no pictures", "shapes has pictures")


def test_nothing_is_made_that_leaves_pictures_out(home: Path, tmp_path: Path) -> None:
    config = configured(home)
    refused(llmood("finetune", config, "-o", tmp_path / "tuned"), "shapes: has pictures", "text alone")


def test_what_would_be_run(home: Path) -> None:
    outcome = llmood("run", configured(home, "flags"), "--dry-run")
    assert outcome.code == 0, outcome
    assert "<image>" in outcome.out
    assert llmood("validate", home / "shapes" / "t.yaml").code == 0

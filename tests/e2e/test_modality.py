"""Which side of the input is new, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.pictures import demo_module
from tests.task_files import write_task
from tests.tiny_pictures import save_picture_adapter, save_pictured
from tests.worlds import Outcome, llmood, refused

ANSWERED = "likelihood.response_given_prompt"


def write_population(folder: Path, pictures: str, words: str, *, train: int = 0, rows: int = 24) -> None:
    """A task of the demo's, its pictures of one population and its questions of another."""
    scenes, draw = demo_module("scenes"), demo_module("draw")
    made = scenes.make_splits()
    name = f"{pictures}_{words}"
    home = folder / name
    (home / "pictures").mkdir(parents=True)
    found: list[dict[str, Any]] = []
    for number, (shown, asked) in enumerate(zip(made[pictures], made[words], strict=False)):
        if number == rows:
            break
        draw.draw(shown.picture).save(home / "pictures" / f"{number}.png")
        found.append({"text": asked.question, "image": f"pictures/{number}.png"})
    splits = {"test": found}
    if train:
        for number, row in enumerate(made["id_train"][:train]):
            draw.draw(row.picture).save(home / "pictures" / f"t{number}.png")
        own = enumerate(made["id_train"][:train])
        splits["train"] = [{"text": row.question, "image": f"pictures/t{number}.png"} for number, row in own]
    write_task(home, splits, name=name, fields={"images": "image"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modality")
    write_population(folder, "id_test", "id_test", train=60)
    write_population(folder, "flags_test", "id_test")
    save_picture_adapter(folder / "adapter", save_pictured(folder / "base"))
    return folder


def run(home: Path, *options: object, ood: str = "flags_test_id_test", **keys: Any) -> Outcome:
    config = {
        "benchmark": {
            "name": "sides",
            "id": str(home / "id_test_id_test" / "t.yaml"),
            "ood": [{"task": str(home / ood / "t.yaml"), "shift": "far"}],
        },
        "models": {"base": str(home / "base"), "tuned": {"adapter": str(home / "adapter")}},
        "engine": {"kind": "transformers", "device": "cpu"},
        "scorers": ["likelihood", ANSWERED],
        "modality": {"scorers": ["likelihood", ANSWERED]},
        "response": {"max_new_tokens": 4},
        "bootstrap": {"draws": 100},
        **keys,
    }
    path = home / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return llmood("run", path, *options)


def modality_records(folder: Path) -> dict[tuple[str, str, str | None, str | None], dict[str, Any]]:
    records = json.loads((folder / "metrics.json").read_text())
    own = [record for record in records if record["question"] == "modality"]
    found = {(r["scorer"], r["metric"], r["slice"], r["ood_task"]): r for r in own}
    assert len(found) == len(own)
    return found


def section_of(folder: Path) -> str:
    page = (folder / "report.html").read_text()
    return page.partition(">Which side is new?<")[2].partition("</section>")[0]


@pytest.mark.slow
def test_a_run_of_answers(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    outcome = run(home, "-o", folder)
    assert outcome.code == 0, outcome
    ood = "flags_test_id_test"
    found = modality_records(folder)
    # The same words on both sides, whatever a random model makes of them: every score stands there twice.
    for name in ("likelihood", ANSWERED):
        assert found[name, "auroc_on_part", "text", ood]["value"] == 0.5
        assert 0 <= found[name, "auroc_on_part", "both", ood]["value"] <= 1
        for control in ("shuffled", "noise"):
            for task in (None, ood):
                record = found[name, "score_change", control, task]
                assert record["ci_low"] <= record["value"] <= record["ci_high"]
                assert (
                    record["params"]["share_unmoved"] < 0.5
                )  # it is another picture, and the model looks at it
    left = found["likelihood", "auroc_on_part", "image", ood]
    assert (left["value"], left["reason"]) == (
        None,
        "left out: it scores the question’s words, and none are left",
    )
    assert not found["likelihood", "new_sides", None, ood]["params"]["decides"]
    assert found[ANSWERED, "new_sides", None, ood]["params"]["decides"]

    scores = pq.read_table(folder / "modality.parquet").to_pylist()
    assert len(scores) == 48 * 7  # four controls of two scorers, but one
    assert {row["status"] for row in scores} <= {"ok", "unscored"}
    assert all((row["score"] is None) == (row["reason"] is not None) for row in scores)
    whole = pq.read_table(folder / "scores.parquet").to_pylist()
    assert {row["scorer"] for row in whole} >= {"likelihood", ANSWERED}
    assert not any("blank" in row["scorer"] for row in whole)

    captured = json.loads((folder / "run.json").read_text())["captures"]
    blank = [name for name in captured if "control=blank" in name]
    assert len(blank) == 3  # the words, the answer, and the answer's
    again = llmood("rescore", folder, "--set", "modality.controls=[blank]")
    assert again.code == 0, again
    assert {metric for _, metric, _, _ in modality_records(folder)} == {"auroc_on_part"}
    assert "one side alone, too: of the question with a plain grey picture. It learned" in section_of(folder)
    again = llmood("rescore", folder, "--set", "modality.controls=[shuffled]")
    assert again.code == 0, again
    assert "Neither side was scored by itself." in section_of(folder)


@pytest.mark.slow
def test_the_side_that_is_new_is_named(home: Path, tmp_path: Path) -> None:
    """By a model of random weights: what reaches its states is enough, whatever it makes of that."""
    folder = tmp_path / "run"
    ood = {"night": "picture", "questions": "question", "flags": "both"}
    outcome = run(
        home,
        "-o",
        folder,
        benchmark={
            "name": "sides",
            "id": "demo_images",
            "ood": [{"task": f"demo_images_{name}", "shift": "far"} for name in ood],
        },
        scorers=["mahalanobis", "likelihood"],
        hidden_states={"layers": "-1", "positions": "last_prompt,mean_prompt,mean_image,mean_text"},
        modality={"controls": ["blank", "no_question"]},
        limit=80,
    )
    assert outcome.code == 0, outcome
    found = modality_records(folder)
    told = {
        name: found["mahalanobis", "new_sides", None, f"demo_images_{name}"]["params"]["verdict"]
        for name in ood
    }
    assert told == ood
    section = section_of(folder)
    assert (
        "side alone, too: of the question with a plain grey picture, and of the picture with all" in section
    )
    assert "the picture is new, the question isn’t" in section
    assert "the question is new, the picture isn’t" in section
    assert "picture and question are both new" in section
    assert section.count("<svg") == 1
    assert "it scores the question’s words, and none are left" in section
    assert "Do scores look at the picture?" not in section


def test_text_alone_is_refused(tmp_path: Path) -> None:
    outcome = llmood("run", "demo", "--set", "modality=true", "-o", tmp_path / "run")
    refused(outcome, "modality: is about pictures and words, and demo", "has words alone")
    assert not (tmp_path / "run").exists()


def test_words_alone_decide_nothing(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run", scorers=["likelihood"], modality=True)
    refused(outcome, "modality: no scorer of the run can be had of its picture, the question left out")
    outcome = run(home, "-o", tmp_path / "run", modality={"scorers": ["likelihod"]})
    refused(outcome, "modality.scorers[0]: likelihod is not among the run's scorers")

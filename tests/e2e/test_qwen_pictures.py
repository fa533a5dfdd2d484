"""Questions about pictures to tiny models of Qwen-VL's kind, through the command line: whole runs and their canary."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.pictures import demo_pictures, speckled
from tests.task_files import write_task
from tests.tiny_pictures import save_picture_adapter
from tests.tiny_qwen import EACH_VERSION, QWEN_TOKEN, save_qwen
from tests.worlds import Outcome, llmood, refused

pytestmark = pytest.mark.usefixtures("no_report")

ROWS = 10
SCORERS = {
    "likelihood_ratio": {},
    "likelihood.base": {},
    "likelihood.response": {},
    "knn": {"k": 3, "position": "mean_image"},
    "mahalanobis": {"layer": 1, "position": "last_prompt"},
    "knn.base": {"k": 3, "position": "eye"},
    "rauq": {},
}


@pytest.fixture(scope="module", params=EACH_VERSION)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of one picture each, and one of two of other sizes; a base and an adapter of its words and its eye."""
    folder = tmp_path_factory.mktemp("qwen")
    for name in ("shapes", "pairs"):
        (folder / name).mkdir()
    for number, image in enumerate(demo_pictures(3 * ROWS)):
        image.save(folder / "shapes" / f"{number}.png")
    for number in range(ROWS):
        demo_pictures(ROWS)[number].save(folder / "pairs" / f"{number}.png")
        speckled(64, 32, number).save(folder / "pairs" / f"wide{number}.png")
    rows = [{"text": f"what is in {number}?", "image": f"{number}.png"} for number in range(3 * ROWS)]
    write_task(
        folder / "shapes",
        {"train": rows[ROWS:], "test": rows[:ROWS]},
        name="shapes",
        fields={"images": "image"},
    )
    pairs = [{"text": "same?", "image": [f"wide{number}.png", f"{number}.png"]} for number in range(ROWS)]
    write_task(folder / "pairs", {"test": pairs}, name="pairs", fields={"images": "image"})
    base = save_qwen(folder / "base", version=request.param, max_position_embeddings=1024)
    save_picture_adapter(folder / "adapter", base)
    return folder


def run(home: Path, output: Path, *, engine: str = "transformers") -> Outcome:
    config = {
        "benchmark": {
            "name": "seen",
            "id": str(home / "shapes" / "t.yaml"),
            "ood": [{"task": str(home / "pairs" / "t.yaml"), "shift": "far"}],
        },
        "models": {"base": str(home / "base"), "tuned": {"adapter": str(home / "adapter")}},
        "engine": {"kind": engine, "device": "cpu"},
        "scorers": [{name: given} for name, given in SCORERS.items()],
        "hidden_states": {"positions": "last_prompt,mean_image"},
        "response": {"max_new_tokens": 4},
        "bootstrap": {"draws": 100},
    }
    (home / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return llmood("run", home / "config.yaml", "-o", output)


def test_a_run(home: Path, tmp_path: Path) -> None:
    outcome = run(home, tmp_path / "run")
    assert outcome.code == 0, outcome
    samples = pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    seen = {
        "shapes": 18,
        "pairs": 18 + 10,
    }  # 64 × 64 pixels are 16 tokens, and 64 × 32 are 8; each has two marks
    for row in samples:
        words = "same?" if row["task"] == "pairs" else row["prompt"].removeprefix(QWEN_TOKEN)
        assert row["prompt"] == QWEN_TOKEN * len(row["images"]) + words
        assert row["prompt_tokens"] == seen[row["task"]] + len(words)
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["scorer"] for row in scores if row["status"] == "ok"} >= set(SCORERS)
    of_prompts = [row for row in scores if row["scorer"] not in ("likelihood.response", "rauq")]
    assert {(row["status"], row["reason"]) for row in of_prompts} == {("ok", None)}
    canary = json.loads((tmp_path / "run" / "run.json").read_text())["canary"]
    assert canary["path"] == "transformers, each text alone"
    assert {role: each["largest"] < 1e-4 for role, each in canary["differences"].items()} == {
        "base": True,
        "tuned": True,
    }
    assert not canary["differences"]["tuned"]["closer_to_base"]


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_vllm_says_what_it_lacks_and_what_runs_it(home: Path, tmp_path: Path) -> None:
    from llmood.engines.vllm_build import has_torchvision

    if has_torchvision():
        pytest.skip("what lacks torchvision is read with it")
    outcome = run(home, tmp_path / "run", engine="vllm")
    refused(outcome, "with torchvision only, which is not installed (", "or choose engine.kind=transformers)")

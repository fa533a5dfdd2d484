"""The worked examples of CONTRIBUTING.md and README.md do what they say."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from llmood.config import RunConfig
from llmood.engines.observations import Block
from llmood.records import CaptureSpec
from llmood.scorers.base import scorers
from llmood.strict import parse
from llmood.tasks.spec import TaskSpec

ROOT = Path(__file__).resolve().parents[2]


def blocks(file: str, language: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_example_scorer_scores():
    (code,) = blocks("CONTRIBUTING.md", "python")
    scorers.names()  # everything else is registered first
    try:
        exec(compile(code, "CONTRIBUTING.md", "exec"), {"__name__": "example"})
        scorer = scorers.get("largest_surprise").make()
    finally:
        scorers._items.pop("largest_surprise", None)
    spec = CaptureSpec.of("prompt_logprobs", "tuned")
    table = pa.table(
        {
            "logprobs": pa.array([[None, -1.0, -3.0], [None], None], pa.list_(pa.float32())),
            "status": ["ok", "ok", "unscored"],
            "reason": pa.array([None, None, "too long"], pa.string()),
        }
    )
    block = Block(np.arange(3), pa.table({"sample_id": ["a", "b", "c"]}), {spec: table})
    scores = scorer.score(block)
    assert scores.values[0] == 3.0
    assert np.isnan(scores.values[1:]).all()
    assert list(scores.reasons) == [None, "one token: nothing to predict", "too long"]


def test_the_example_task_is_a_task():
    (text,) = blocks("CONTRIBUTING.md", "yaml")
    spec = parse(TaskSpec, yaml.safe_load(text), place="CONTRIBUTING.md")
    assert spec.name == "trivia"
    assert [type(source).__name__ for source in spec.sources] == ["FileSource", "HubSource"]


def test_the_readme_configuration_and_task_are_valid():
    config, task = (yaml.safe_load(text) for text in blocks("README.md", "yaml"))
    parsed = parse(RunConfig, config, place="README.md")
    assert all(name in scorers for name in parsed.scorers)
    assert parse(TaskSpec, task, place="README.md").prompt == "{{ question }}"

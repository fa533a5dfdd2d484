"""Logits of labels behind a prompt: values by hand, and labels that can't be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.observations import Block
from llmood.errors import ConfigError
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import scorers
from llmood.tables import CAPTURE_SCHEMAS
from tests.worlds import llmood, write_world

NAMES = ["msp.labels", "max_logit.labels", "energy.labels"]


def scored(name: str, *logits: list[float] | None) -> Scores:
    scorer = scorers.get(name).make({"labels": "A|B|C"})
    rows = [{"key": str(row), "status": "ok", "label_logits": each} for row, each in enumerate(logits)]
    rows.append({"key": "long", "status": "unscored", "reason": "over the context", "label_logits": None})
    table = pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS["next_token"])
    samples = pa.table({"sample_id": [row["key"] for row in rows]})
    return scorer.score(Block(np.arange(len(rows)), samples, {scorer.needs[0]: table}))


# Logits log 6, log 3, log 1: weights of 6, 3 and 1, which add up to 10. Then all alike.
@pytest.mark.parametrize(
    ("name", "sure", "torn"),
    [
        ("msp.labels", 1 - 0.6, 2 / 3),
        ("max_logit.labels", -np.log(6), 0.0),
        ("energy.labels", -np.log(10), -np.log(3)),
    ],
)
def test_by_hand(name: str, sure: float, torn: float) -> None:
    found = scored(name, np.log([6.0, 3.0, 1.0]).tolist(), [0.0, 0.0, 0.0], None)
    assert found.values[:2] == pytest.approx([sure, torn], abs=1e-6)
    assert found.values[0] < found.values[1]  # unsure is higher
    assert np.isnan(found.values[2:]).all()
    assert [*found.reasons] == [None, None, "the engine gave no logits of the labels", "over the context"]


def test_the_letters_of_a_multiple_choice_are_the_default() -> None:
    expected = CaptureSpec.of("next_token", "tuned", labels="A|B|C|D", top=0)
    for name in NAMES:
        scorer = scorers.get(name).make()
        assert (scorer.needs, scorer.fitted_on) == ((expected,), None)
        assert scorer.definition == "labels: A|B|C|D"


@pytest.mark.parametrize("labels", ["A", "", "A||B", "A|B|A", 3])
def test_fewer_than_two_different_labels(labels: object) -> None:
    with pytest.raises(ConfigError, match=r"msp\.labels: labels are at least two different texts"):
        scorers.get("msp.labels").make({"labels": labels})


def test_labels_of_one_first_token_are_refused_in_one_line(tmp_path: Path, fresh_cache: Path) -> None:
    world = write_world(tmp_path / "world", scorers=[{"msp.labels": {"labels": "yes|yet"}}])
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 2
    assert "the labels 'yes' and 'yet' begin with the same token" in outcome.err
    assert outcome.err.count("\n") == 1

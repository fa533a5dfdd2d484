"""The temperature of labels: learned by hand, from rows whose right label can be told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import llmood as llmood_python
from llmood.engines.observations import Block
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.label_temperature import TemperedLabelMaxSoftmax, right_label
from llmood.scorers.raw_confidence import raw_confidence
from llmood.tables import CAPTURE_SCHEMAS
from tests.worlds import WEATHER, llmood, write_world


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ({"label": "B", "references": None, "choices": None}, 1),
        ({"label": " B ", "references": ["A"], "choices": None}, 1),  # the label goes first
        ({"label": "colour", "references": ["A"], "choices": ["red", "blue"]}, 0),
        ({"label": None, "references": ["Blue."], "choices": ["red", "blue"]}, 1),
        (
            {"label": None, "references": ["green"], "choices": ["red", "blue", "x", "green"]},
            None,
        ),  # D is no label
        ({"label": None, "references": ["green"], "choices": ["red", "blue"]}, None),
        ({"label": None, "references": ["A", "B"], "choices": None}, None),  # two right ones
        ({"label": None, "references": ["red", "blue"], "choices": ["red", "blue"]}, None),
        ({"label": None, "references": [], "choices": []}, None),
        ({"label": None, "references": None, "choices": None}, None),
    ],
)
def test_the_right_label(sample: dict[str, Any], expected: int | None) -> None:
    assert right_label(sample, [" A", " B", " C"]) == expected


class Rows:
    """Observations of one split with these logits of A, B and C, the later rows in the earlier block."""

    def __init__(
        self, logits: Sequence[Sequence[float] | None], right: Sequence[str | None], split: str = "validation"
    ) -> None:
        self.samples = pa.table(
            {
                "sample_id": [f"s{row:03}" for row in range(len(right))],
                "split": [split] * len(right),
                "label": pa.array(right, pa.string()),
                "references": pa.array([None] * len(right), pa.list_(pa.string())),
                "choices": pa.array([None] * len(right), pa.list_(pa.string())),
            }
        )
        self.logits = logits

    def blocks(self, captures: Sequence[CaptureSpec], columns: Any = None) -> Iterator[Block]:
        half = len(self.logits) // 2
        for positions in (np.arange(half, len(self.logits)), np.arange(half)):
            rows = [
                {"key": str(row), "status": "ok", "label_logits": self.logits[row]}
                for row in positions.tolist()
            ]
            table = pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS["next_token"])
            yield Block(positions, self.samples.take(pa.array(positions)), {captures[0]: table})


def fitted(logits: Sequence[Sequence[float] | None], right: Sequence[str | None]) -> TemperedLabelMaxSoftmax:
    scorer = scorers.get("msp.labels.tempered").make({"labels": "A|B|C"})
    assert isinstance(scorer, TemperedLabelMaxSoftmax)
    return scorer.fit(Rows(logits, right))  # type: ignore[arg-type]  # as far as it looks


def scores(scorer: Scorer, rows: Rows) -> Scores:
    (_, block) = rows.blocks(scorer.needs)
    return scorer.score(block)


LOGITS = [[math.log(8.0), 0.0, 0.0]] * 4


def test_by_hand() -> None:
    # Always A by 8 to 1 to 1, and right two times in four: 8^x / (8^x + 2) = 1/2 at x = 1/3.
    scorer = fitted(LOGITS, ["A", "A", "B", "C"])
    assert scorer.inverse_ == pytest.approx(1 / 3, abs=1e-6)
    found = scores(scorer, Rows(LOGITS, [None] * 4))
    assert found.values == pytest.approx([0.5, 0.5], abs=1e-6)
    assert raw_confidence(scorer.probability, found.values) == pytest.approx([0.5, 0.5], abs=1e-6)


def test_rows_without_logits_or_without_a_right_label_teach_nothing() -> None:
    plain = fitted(LOGITS, ["A", "A", "B", "C"])
    more = fitted([*LOGITS, None, [0.0, 9.0, 0.0]], ["A", "A", "B", "C", "A", "D"])
    assert more.inverse_ == plain.inverse_


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ([None] * 4, "no row of validation has logits and says which of the labels A|B|C is right"),
        (["A"] * 4, "every right label has the highest logit"),
    ],
)
def test_what_teaches_nothing_scores_nothing_and_says_why(right: list[str | None], said: str) -> None:
    scorer = fitted(LOGITS, right)
    found = scores(scorer, Rows(LOGITS, right))
    assert np.isnan(found.values).all()
    assert all(said in str(reason) for reason in found.reasons)


def test_it_learns_from_no_other_split() -> None:
    scorer = scorers.get("msp.labels.tempered").make({"labels": "A|B|C"})
    with pytest.raises(ValueError, match="fitted on validation, not on test"):
        scorer.fit(Rows(LOGITS, ["A", "A", "B", "C"], "test"))  # type: ignore[arg-type]


@pytest.mark.usefixtures("fresh_cache")
def test_a_run_captures_what_it_learns_from(tmp_path: Path) -> None:
    def rows(split: str, count: int) -> list[dict[str, Any]]:
        return [
            {"text": f"my {split} card number {row} for travel", "label": "ABCD"[row % 4]}
            for row in range(count)
        ]

    bank = {split: rows(split, 24) for split in ("train", "validation", "test")}
    world = write_world(
        tmp_path / "world",
        bank,
        near=[row | {"label": None} for row in WEATHER],
        far=None,
        task={"fields": {"label": "label"}},
        scorers=["msp.labels", "msp.labels.tempered"],
    )
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    found = llmood_python.Run(tmp_path / "run").scores().set_index(["scorer", "sample_id"])
    plain, tempered = (found.loc[name] for name in ("msp.labels", "msp.labels.tempered"))
    assert (tempered["status"] == "ok").all()
    assert set(tempered["fitted_on"]) == {"validation"}
    # The fake engine's labels say nothing of what is right: the temperature is high, and nobody is sure.
    assert tempered["score"].mean() > plain["score"].mean()
    assert ((tempered["score"] > 0) & (tempered["score"] <= 0.75 + 1e-9)).all()

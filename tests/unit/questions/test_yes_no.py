"""How often a model says yes: from verdicts and references, without the answers' words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.config import BootstrapConfig
from llmood.judging.base import Known, rules
from llmood.questions.error_detection import error_detection
from llmood.questions.judgements import read_judgements
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.yes_no import NOT_KEPT
from llmood.records import MetricRecord
from llmood.tables import CORRECTNESS, SAMPLES

#      answer, reference
SAID = [
    ("yes", "yes"),
    ("Yes, there is.", "no"),
    ("No.", "no"),
    ("false", "true"),
    ("true", "true"),
    ("a dog", "yes"),
    ("", "no"),
    ("It may be true or false.", "no"),
]


def found(rule: str = "yes_no", *, keep: bool = True) -> dict[str, MetricRecord]:
    rows: list[dict[str, Any]] = []
    for place, (answer, reference) in enumerate(SAID):
        judgement = rules.get(rule).judge(answer, Known(references=[reference]))
        status = {"sample_id": f"s{place}", "rule": rule, "status": "ok"}
        rows.append({**status, **judgement._asdict()})
    samples = [
        {"sample_id": f"s{place}", "references": [reference] if keep else None}
        for place, (_, reference) in enumerate(SAID)
    ]
    judged = read_judgements(
        pa.Table.from_pylist(rows, schema=CORRECTNESS), pa.Table.from_pylist(samples, schema=SAMPLES)
    )
    groups = np.array([f"g{place}" for place in range(len(SAID))])
    home = Population("home", "none", None, np.arange(len(SAID)))
    scored = ScoredBenchmark("b", home, (), {"length": np.arange(len(SAID)) * 1.0}, groups)
    records = error_detection(scored, judged, BootstrapConfig(draws=100), 0)
    return {record.metric: record for record in records if record.scorer is None}


def test_rate_and_f1_by_hand() -> None:
    records = found()
    # Three say yes ("yes", "Yes, there is.", "true"); four should; two of the three are right.
    assert records["yes_rate"].value == 3 / 8
    assert records["f1_yes"].value == pytest.approx(2 * 2 / (3 + 4))
    for name in ("yes_rate", "f1_yes"):
        assert records[name].params == {"wanted_yes": 0.5, "neither": 3}
        assert records[name].n == 8
        assert records[name].correctness == "yes_no"
    assert records["accuracy"].value == 3 / 8
    assert (records["f1_yes"].positive_class, records["yes_rate"].positive_class) == ("yes", None)
    assert (records["yes_rate"].ci_low or 0.0) < 3 / 8 < (records["yes_rate"].ci_high or 0.0)


def test_where_references_were_not_kept() -> None:
    records = found(keep=False)
    for name in ("yes_rate", "f1_yes"):
        assert (records[name].value, records[name].reason) == (None, NOT_KEPT)


def test_other_rules_have_none() -> None:
    assert set(found("exact_match")) == {"accuracy"}

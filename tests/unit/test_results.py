"""From observations to scores, metrics and checks, checked against the numbers computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import llmood
from llmood.engines.fake_model import FakeModel, FakeTokenizer
from tests.worlds import no_report, write_world


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


def run(folder: Path, **keys: Any) -> llmood.Run:
    return llmood.evaluate(write_world(folder / "world", **keys).config, output_dir=folder / "run")


def test_scores_and_aurocs_by_hand(tmp_path: Path) -> None:
    found = run(tmp_path, scorers=["likelihood_ratio", "likelihood.mean"])
    samples = found.samples().set_index("sample_id")
    scores = found.scores().set_index(["scorer", "sample_id"])["score"]
    base, tuned = FakeModel("fake"), FakeModel("fake-tuned:bank card travel")
    for sample_id, prompt in samples["prompt"].items():
        (ids,) = FakeTokenizer().encode([prompt], rendered=False)
        # The first token is given, not predicted: the sum is over the T - 1 others.
        under_base, under_tuned = (
            np.float32(model.logprobs(ids)[1:]).astype(np.float64) for model in (base, tuned)
        )
        assert scores["likelihood_ratio"][sample_id] == pytest.approx(under_base.sum() - under_tuned.sum())
        assert scores["likelihood.mean"][sample_id] == pytest.approx(-under_tuned.mean())
        assert scores["length"][sample_id] == len(ids)
        assert scores["constant"][sample_id] == 0
    for record in found.records():
        if record["metric"] == "auroc":
            chosen = samples[samples["task"].isin(["bank", record["ood_task"]])]
            expected = roc_auc_score(chosen["population"] == "ood", scores[record["scorer"]][chosen.index])
            assert record["value"] == pytest.approx(expected)


def test_groups_are_drawn_whole(tmp_path: Path) -> None:
    """Rows of one group are drawn together: another interval around the same value."""
    bank = [{"text": f"my bank card number {i} for travel", "group": f"g{i // 6}"} for i in range(24)]
    near = [{"text": f"the card of town {i} today", "group": f"w{i // 5}"} for i in range(20)]
    far = [{"text": f"zyx {i}", "group": f"z{i}"} for i in range(16)]
    widths = []
    for name, fields in (("grouped", {"group": "group"}), ("alone", {})):
        found = run(
            tmp_path / name, bank=bank, near=near, far=far, task={"fields": fields}, bootstrap={"draws": 500}
        )
        (record,) = [
            record
            for record in found.records()
            if (record["metric"], record["scorer"], record["ood_task"]) == ("auroc", "random", "near")
        ]
        widths.append((record["value"], record["ci_high"] - record["ci_low"]))
    (value, grouped), (same, alone) = widths
    assert value == same
    assert grouped != alone


def test_a_named_group_is_not_a_sample_without_one(tmp_path: Path) -> None:
    """A group called like a sample's id must not join that sample."""
    first = run(tmp_path / "first")
    name = first.samples()["sample_id"][0]
    bank = [{"text": "my bank card number 0 for travel", "group": None}]
    bank += [{"text": f"my bank card {i}", "group": name} for i in range(1, 24)]
    found = run(
        tmp_path / "second",
        bank=bank,
        task={"fields": {"group": "group"}},
        near=[{"text": f"the weather of town {i} today", "group": None} for i in range(20)],
        far=None,
    )
    record = next(r for r in found.records() if r["metric"] == "auroc" and r["scorer"] == "random")
    # Two groups in ID: enough to resample. Were they one, there would be no interval.
    assert record["ci_low"] is not None


def test_the_status_is_that_of_the_gravest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with broken rows whose tuned model is its base has failed, not only fallen short."""
    found = run(tmp_path, near=[{"text": "fine"}, "broken"], models={"base": "fake", "tuned": "fake"})
    assert found.status == "failed"
    assert [check["code"] for check in found.checks() if check["severity"] == "error"] == [
        "tuned_equals_base"
    ]
    assert "rejected_rows" in {check["code"] for check in found.checks()}


def test_the_best_scorer_is_marked_on_the_common_samples(tmp_path: Path) -> None:
    found = run(tmp_path, scorers=["likelihood", "likelihood_ratio.response"])
    behind = [r for r in found.records() if r["metric"] == "auroc_behind_best" and r["ood_task"] == "near"]
    assert {r["scorer"] for r in behind} == {"likelihood", "likelihood_ratio.response"}
    leader = behind[0]["params"]["best"]
    for record in behind:
        assert record["params"]["best"] == leader
        assert record["n"] == record["n_negative"] + record["n_positive"]
        assert record["n_unscored"] > 0  # empty answers
        assert (record["value"] == 0) or record["scorer"] != leader

from __future__ import annotations

import pytest

from llmood.metrics import Metric, metrics_registry
from llmood.report.text import count, interval, metric_name, number, percent, score, shorten, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98123, "0.981"),
        (1.0, "1.000"),
        (0.0, "0.000"),
        (0.99992, "0.9999"),  # not 1.000, which it isn't
        (0.00004, "0.00004"),
        (-0.25, "−0.250"),
        (-1e-12, "0.000000"),
        (0.5, "0.500"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0716, "7.2"), (0.0, "0.0"), (1.0, "100.0"), (0.00002, "0.002"), (0.99999, "99.999")],
)
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text


def test_intervals_with_a_minus_are_spelled_out() -> None:
    record = {"metric": "auroc_behind_best", "ci_low": -0.1, "ci_high": 0.2}
    assert interval(record) == "−0.100 to 0.200"
    assert interval({"metric": "auroc", "ci_low": 0.978, "ci_high": 0.984}) == "0.978–0.984"
    assert interval({"metric": "auroc", "ci_low": None, "ci_high": None}) is None


def test_a_metric_is_shown_as_it_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (shown("fpr_at_95tpr_ood", 0.0716), shown("auroc", 0.98123)) == ("7.2\u00a0%", "0.981")
    assert metric_name("aupr_id") == "AUPR, ID positive"
    assert metric_name("auroc_behind_best") == "AUROC behind the best"
    assert (metric_name("of_a_newer_llmood"), shown("of_a_newer_llmood", 0.5)) == (
        "of_a_newer_llmood",
        "0.500",
    )
    new = Metric("new", "ood_detection", lambda *_: 0.0, True, "ood", (0.0, 1.0), "d", "New", "percent")
    metrics_registry.names()
    monkeypatch.setitem(metrics_registry._items, "new", new)
    assert (metric_name("new"), shown("new", 0.25)) == ("New", "25.0\u00a0%")
    assert interval({"metric": "new", "ci_low": 0.1, "ci_high": 0.2}) == "10.0–20.0"


def test_counts_and_scores() -> None:
    assert count(10966) == "10\u202f966"
    assert score(-5.89) == "−5.890"
    assert score(float("inf")) == "inf"


def test_shorten_cuts_between_words() -> None:
    assert shorten("short") == "short"
    assert shorten("alpha beta gamma", 12) == "alpha beta…"
    assert shorten("x" * 20, 10) == "x" * 10 + "…"

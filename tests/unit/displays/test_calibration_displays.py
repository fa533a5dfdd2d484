"""The figures of a calibration report: their data by hand, and that they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from llmood.displays import ReliabilityDiagram, RiskCoverage

Curve = tuple[NDArray[np.float64], NDArray[np.bool_]]
CONFIDENCE = np.array([0.05, 0.05, 0.55, 0.55, 0.95, 1.0])
CORRECT = np.array([False, False, True, False, True, True])


def test_reliability_has_a_row_a_bin_that_holds_answers() -> None:
    display = ReliabilityDiagram({"raw": (CONFIDENCE, CORRECT)}, task="letters")
    frame = display.frame()
    assert frame["n"].tolist() == [2, 2, 2]
    assert frame["accuracy"].tolist() == [0.0, 0.5, 1.0]
    assert frame["mean_confidence"].tolist() == pytest.approx([0.05, 0.55, 0.975])
    assert (frame["ci_low"] <= frame["accuracy"]).all()
    assert (frame["ci_high"] >= frame["accuracy"]).all()
    over, under = display.plot().axes
    assert over.get_ylabel() == "share of right answers"
    (stairs,) = under.patches
    assert isinstance(stairs, StepPatch)
    assert stairs.get_data().values.sum() == pytest.approx(1.0)
    assert display.describe() == (
        "Accuracy by confidence on letters: raw: mean confidence 0.525, 0.500 right of 6."
    )


def test_risk_at_each_coverage_expects_over_ties() -> None:
    scores, correct = np.array([0.0, 1.0, 1.0, 2.0]), np.array([True, True, False, False])
    curves: dict[str, Curve] = {"letters": (scores, correct)}
    display = RiskCoverage(curves, scorer="length")
    frame = display.frame()
    assert frame["n"].tolist() == [1, 2, 3, 4]
    assert frame["risk"].tolist() == pytest.approx([0.0, 0.25, 1 / 3, 0.5])
    assert display.plot().axes[0].get_lines()[0].get_label() == "letters"
    assert display.describe() == (
        "Share of wrong answers by coverage, length: letters 0.250 at half, 0.500 at all."
    )


def test_all_right_is_a_line_at_no_risk() -> None:
    frame = RiskCoverage({"a": (np.arange(3.0), np.ones(3, bool))}, scorer="length").frame()
    assert frame["risk"].tolist() == [0.0, 0.0, 0.0]


def test_nothing_known_can_be_drawn() -> None:
    scores: NDArray[np.float64] = np.empty(0)
    correct: NDArray[np.bool_] = np.empty(0, np.bool_)
    for display in (
        ReliabilityDiagram({"raw": (scores, correct)}, task="letters"),
        RiskCoverage({"letters": (scores, correct)}, scorer="length"),
    ):
        assert "undefined" in [text.get_text() for text in display.plot().axes[0].texts]
        assert display.frame().empty
        assert "no answer" in display.describe()

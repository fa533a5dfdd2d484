from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from llmood.measures.threshold import Threshold
from llmood.measures.too_few import TooFewError


def test_false_alarms() -> None:
    made = Threshold.false_alarms(np.arange(19.0), 0.05)
    assert (made.target, made.alpha, made.delta, made.value, made.n) == ("false_alarms", 0.05, None, 18.0, 19)
    # The law is Beta with (1, 19).
    assert (made.low, made.high) == pytest.approx((1 - 0.95 ** (1 / 19), 1 - 0.05 ** (1 / 19)))
    assert made.guarantee == (
        "At most 5 % of the questions that are drawn like the calibration rows are flagged, "
        "on average over calibration sets."
    )
    with pytest.raises(TooFewError):
        Threshold.false_alarms(np.arange(18.0), 0.05)


@pytest.mark.parametrize("value", [0.1, -1.5e300, np.inf, -np.inf])
def test_json_and_back(value: float) -> None:
    made = Threshold("error_among_answered", 0.1, 0.05, value, 7, 0.0, 0.25, 0.9)
    text = json.dumps(made.to_json(), allow_nan=False)
    assert Threshold.from_json(json.loads(text)) == made


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": float("nan")}, "value"),
        ({"value": "nan"}, "value"),
        ({"value": True}, "value"),
        ({"target": "luck"}, "target"),
        ({"n": 0}, "n: "),
        ({"n": 2.0}, "n: "),
        ({"alpha": None}, "alpha"),
        ({"delta": 1.5}, "delta"),
        ({"low": "0"}, "low"),
        ({"more": 1}, "keys"),
    ],
)
def test_another_state_is_refused(change: dict[str, Any], reason: str) -> None:
    state = Threshold.false_alarms(np.arange(19.0), 0.05).to_json()
    with pytest.raises(ValueError, match=reason):
        Threshold.from_json(state | change)


def test_false_alarms_for_most() -> None:
    made = Threshold.false_alarms_for_most(np.arange(45.0), 0.05, 0.1)
    assert (made.target, made.delta, made.value) == ("false_alarms", 0.1, 44.0)
    # Beta with (1, 45): above α in at most δ of calibration sets.
    assert (made.low, made.high) == pytest.approx((1 - 0.95 ** (1 / 45), 1 - 0.05 ** (1 / 45)))
    assert made.guarantee == (
        "At most 5 % of the questions that are drawn like the calibration rows are flagged, "
        "for all but 10 % of calibration sets."
    )


def test_wrong_answered() -> None:
    made = Threshold.wrong_answered(np.arange(9.0), np.zeros(9, dtype=bool), 0.1)
    assert (made.target, made.value, made.low) == ("wrong_answered", np.inf, None)
    assert "are answered wrongly, on average" in made.guarantee


def test_error_among_answered() -> None:
    generator = np.random.default_rng(1)
    scores, other = generator.random(500), generator.random(500)
    made = Threshold.error_among_answered(scores, scores > 0.8, 0.1, 0.1, other=other)
    assert 0.75 < made.value < 0.9
    assert made.guarantee.startswith("At most 10 % of the answers that are given are wrong, on questions")
    none = Threshold.error_among_answered(scores, scores > -1, 0.1, 0.1, other=other)
    assert none.value == -np.inf
    assert none.to_json()["value"] == "-inf"

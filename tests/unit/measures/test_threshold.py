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

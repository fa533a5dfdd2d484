from __future__ import annotations

import numpy as np
import pytest

from llmood.traffic_report.latency import Latency


def test_quantiles_are_right_to_one_part_in_a_hundred() -> None:
    seconds = np.random.default_rng(0).lognormal(-3, 2, 5000)
    own = Latency()
    for part in np.array_split(seconds, 7):
        own.update([{"seconds": float(each)} for each in part])
    for share in (0.0, 0.01, 0.5, 0.9, 0.99, 1.0):
        exact = np.quantile(seconds, share, method="inverted_cdf")
        assert own.quantile(share) == pytest.approx(exact, rel=0.01)
    records = {record["metric"]: record["value"] for record in own.records()}
    assert records["latency_max"] == seconds.max()
    assert list(records) == ["latency_p50", "latency_p90", "latency_p99", "latency_max"]


def test_times_beyond_the_ends_are_counted() -> None:
    own = Latency()
    own.update([{"seconds": 0.0}, {"seconds": 0.0}, {"seconds": 1e9}])
    assert own.quantile(0.5) == pytest.approx(1e-6, rel=0.01)
    assert own.quantile(1.0) == pytest.approx(1e6, rel=0.02)


def test_of_nothing_there_is_a_reason() -> None:
    assert all(record["value"] is None and record["reason"] for record in Latency().records())

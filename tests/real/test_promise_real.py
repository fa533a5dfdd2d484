"""False alarms at most 5 %, as split conformal prediction promises it, on clinc150's real scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.observations import Block, Observations
from llmood.engines.store import Store
from llmood.measures.split_conformal import beta_binomial_interval, threshold
from llmood.records import Sample
from llmood.scorers.base import scorers
from llmood.tables import INDEX, SAMPLES
from llmood.tasks import find_task, load_task

ALPHA = 0.05
HALVES = 500


def table_of(samples: list[Sample]) -> pa.Table:
    rows = [
        {"sample_id": one.sample_id, "split": one.split, "label": one.label, "prompt": one.text}
        for one in samples
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


@pytest.fixture(scope="module", params=["tfidf_knn", "ngram_ratio"])
def scores(request: pytest.FixtureRequest, real_data: Path) -> dict[str, np.ndarray]:
    """Of a scorer that is fitted on train and reads no model: rows of `calibration` and `test`, and out of scope."""
    task = load_task(find_task("clinc150"), ("train", "calibration", "test"))
    train = Observations(table_of(task.samples["train"]), INDEX.empty_table(), Store())
    scorer = scorers.get(request.param).make().fit(train)
    other = load_task(find_task("clinc150_oos"), ("test",)).samples["test"]
    named = {"calibration": task.samples["calibration"], "test": task.samples["test"], "oos": other}
    values = {
        name: scorer.score(Block(np.arange(len(samples)), table_of(samples), {})).values
        for name, samples in named.items()
    }
    assert {name: len(found) for name, found in values.items()} == {
        "calibration": 1561,
        "test": 4500,
        "oos": 1000,
    }
    return values


def test_false_alarms_over_random_halves(scores: dict[str, np.ndarray]) -> None:
    pool, generator = scores["test"], np.random.default_rng(0)
    rates = []
    for _ in range(HALVES):
        calibration, test = np.array_split(generator.permutation(pool), 2)
        rates.append(float((test > threshold(calibration, ALPHA)).mean()))
    mean, error = np.mean(rates), np.std(rates, ddof=1) / np.sqrt(HALVES)
    print(f"mean false-alarm rate over {HALVES} halves: {mean:.5f} ± {error:.5f}")
    assert mean <= ALPHA + 2 * error
    assert mean >= ALPHA - 0.005  # it isn't kept by flagging nothing


def test_one_untouched_calibration_and_test(scores: dict[str, np.ndarray]) -> None:
    """The 99 % beta-binomial interval of one detector."""
    calibration, test = scores["calibration"], scores["test"]
    rate = float((test > threshold(calibration, ALPHA)).mean())
    low, high = beta_binomial_interval(len(calibration), ALPHA, len(test), 0.99)
    print(f"calibration {len(calibration)}, test {len(test)}: {rate:.4f} in [{low:.4f}, {high:.4f}]")
    assert low <= rate <= high


def test_the_promise_is_no_promise_elsewhere(scores: dict[str, np.ndarray]) -> None:
    calibration, other = scores["calibration"], scores["oos"]
    rate = float((other > threshold(calibration, ALPHA)).mean())
    print(f"out-of-scope rows flagged: {rate:.3f}")
    assert rate > beta_binomial_interval(len(calibration), ALPHA, len(other), 0.99)[1] + 0.1

"""The head's largest probability at the temperature of held-out rows: against SciPy, and where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from llmood.engines.captures import all_needs
from llmood.measures.linear_head import head_logits
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.head_temperature import TemperedMaxSoftmax
from llmood.scoring import ScorerColumn, fit_all, score_all
from tests.planting import planted

STATES = {"layers": "all", "positions": "mean_prompt", "dtype": "float32"}
SIZES = {"train": 40, "validation": 60, "test": 50}
SPLITS = [split for split, size in SIZES.items() for _ in range(size)]
HELD = np.array(SPLITS) == "validation"


def world(classes: int = 3, seed: int = 0) -> tuple[NDArray[np.float64], list[str]]:
    """Classes that overlap, of few rows for so many dimensions: the head is too sure."""
    generator = np.random.default_rng(seed)
    own = generator.integers(0, classes, len(SPLITS))
    states = generator.normal(size=(len(SPLITS), 20))
    states[:, :classes] += 1.5 * np.eye(classes)[own]
    return states[:, None].astype(np.float32).astype(np.float64), [f"class {each}" for each in own]


def run(name: str, states: NDArray[np.float64], labels: Sequence[str | None]) -> tuple[Scorer, ScorerColumn]:
    """In a store of its own: the same prompts would have the states of before."""
    scorer = scorers.get(name).make({}, hidden_states=STATES)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setenv("LLMOOD_CACHE", folder)
        rows = planted(states, all_needs([scorer]), splits=SPLITS, labels=labels)
        fit_all({"it": scorer}, rows)
        return scorer, score_all(rows, {"it": scorer})[0]


def test_it_is_the_head_at_the_temperature_that_fits_validation() -> None:
    states, labels = world()
    scorer, found = run("msp.tempered", states, labels)
    assert isinstance(scorer, TemperedMaxSoftmax)
    logits = head_logits(states[:, 0], scorer.head_)
    right = np.array([int(label[-1]) for label in labels])

    def loss(inverse: float) -> float:
        return float(-log_softmax(logits[HELD] * inverse, axis=1)[np.arange(HELD.sum()), right[HELD]].mean())

    best = minimize_scalar(loss, bounds=(0.0, 5.0), method="bounded", options={"xatol": 1e-10}).x
    assert scorer.inverse_ == pytest.approx(best, abs=1e-4)
    assert scorer.inverse_ < 0.9  # too sure of rows that it didn't learn from
    assert found.values == pytest.approx(1 - softmax(logits * scorer.inverse_, axis=1).max(axis=1))
    # With three classes it ranks otherwise than before.
    plain = run("msp", states, labels)[1].values
    assert not np.array_equal(np.argsort(plain), np.argsort(found.values))
    assert found.values.mean() > plain.mean()
    assert "at a temperature of validation" in str(found.definition)


def test_with_two_classes_the_order_stays() -> None:
    states, labels = world(classes=2)
    plain, tempered = (run(name, states, labels)[1].values for name in ("msp", "msp.tempered"))
    assert np.array_equal(np.argsort(plain), np.argsort(tempered))
    assert not np.allclose(plain, tempered)


def test_classes_that_train_has_not_teach_nothing() -> None:
    states, labels = world()
    known: list[str | None] = [*labels]
    spoiled = states.copy()
    places = np.flatnonzero(HELD)
    for row in places[::2]:
        known[row] = "class 9"
        spoiled[row] = 50.0
    for row in places[1::6]:
        known[row] = None
        spoiled[row] = -50.0
    first, other = (run("msp.tempered", each, known)[0] for each in (states, spoiled))
    assert isinstance(first, TemperedMaxSoftmax)
    assert isinstance(other, TemperedMaxSoftmax)
    assert first.inverse_ == other.inverse_


def test_nothing_is_scored_where_no_temperature_is_the_best() -> None:
    states, labels = world()
    none: list[str | None] = [None if held else label for label, held in zip(labels, HELD, strict=True)]
    reasons = set(run("msp.tempered", states, none)[1].reasons)
    assert reasons == {
        "nothing can be learned from train: no row of validation has a state and a label of train's"
    }
    apart = np.zeros_like(states)
    apart[:, 0, :3] = np.eye(3)[[int(label[-1]) for label in labels]]
    (reason,) = set(run("msp.tempered", apart, labels)[1].reasons)
    assert "by validation, every right label has the highest logit" in str(reason)

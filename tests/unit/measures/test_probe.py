"""The probe against its definition, and windows by hand."""

from __future__ import annotations

import numpy as np
import pytest

from llmood.measures.logistic import fit_logistic
from llmood.measures.probe import best_ridge, best_window, fit_probe, out_of_fold, probe_log_odds
from llmood.metrics.ood import auroc


def data(seed: int = 0, rows: int = 80, width: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    states = generator.normal(3.0, 10.0, size=(rows, width))
    positive = states[:, 0] + 5.0 * generator.normal(size=rows) > 3.0
    return states, positive


def test_it_is_the_minimum_that_newton_finds() -> None:
    states, positive = data()
    probe = fit_probe(states, positive, 0.01)
    standard = (states - states.mean(axis=0)) / states.std(axis=0)
    weights, bias = fit_logistic(standard, positive, 0.01)
    assert probe.weights == pytest.approx(weights, abs=1e-3)
    assert probe_log_odds(states, probe) == pytest.approx(standard @ weights + bias, abs=1e-2)


def test_separated_rows_converge_too() -> None:
    states = np.concatenate([np.full((20, 300), -1.0), np.full((20, 300), 1.0)])
    probe = fit_probe(states, np.arange(40) >= 20, 1e-4)
    assert np.isfinite(probe.weights).all()


def test_a_row_scores_the_same_in_any_company() -> None:
    states, positive = data(width=700)
    probe = fit_probe(states, positive)
    together = probe_log_odds(states, probe)
    assert [float(probe_log_odds(row[None], probe)[0]) for row in states] == together.tolist()


def test_a_moved_and_scaled_feature_changes_nothing() -> None:
    states, positive = data()
    moved = states * np.array([1.0, 10.0, 0.1, 1e4, 1.0]) + 7.0
    one, other = (probe_log_odds(rows, fit_probe(rows, positive)) for rows in (states, moved))
    assert one == pytest.approx(other, abs=1e-3)


def test_out_of_fold_is_the_probe_of_the_others() -> None:
    states, positive = data()
    folds = np.arange(len(states)) % 3
    found = out_of_fold(states, positive, folds, 0.1)
    own = folds == 1
    other = fit_probe(states[~own], positive[~own], 0.1)
    assert found[own].tolist() == probe_log_odds(states[own], other).tolist()
    assert not np.isnan(found).any()


def test_out_of_fold_is_chance_on_noise() -> None:
    generator = np.random.default_rng(0)
    states, positive = generator.normal(size=(400, 100)), np.arange(400) % 2 == 0
    assert auroc(probe_log_odds(states, fit_probe(states, positive, 1e-4)), positive) > 0.8
    assert abs(auroc(out_of_fold(states, positive, np.arange(400) % 5, 1e-4), positive) - 0.5) < 0.1


def test_the_largest_of_equally_good_ridges() -> None:
    assert best_ridge({1.0: 0.3, 0.1: 0.2, 0.01: 0.2}) == 0.1


def test_bad_input() -> None:
    states, positive = data()
    with pytest.raises(ValueError, match="both kinds"):
        fit_probe(states, np.ones(len(states), bool))
    with pytest.raises(ValueError, match="ridge"):
        fit_probe(states, positive, 0.0)
    states[3, 2] = np.nan
    with pytest.raises(ValueError, match="3"):
        fit_probe(states, positive)
    with pytest.raises(ValueError, match="4"):
        probe_log_odds(np.zeros((2, 4)), fit_probe(*data()))


@pytest.mark.parametrize(
    ("scores", "least", "window"),
    [
        ([0.5, 0.9, 0.7], 1, (1, 2)),
        ([0.5, 0.9, 0.7], 2, (1, 3)),
        ([0.5, 0.5, 0.5], 2, (0, 2)),
        ([0.9, 0.1, 0.9, 0.8], 2, (2, 4)),
        ([0.9], 5, (0, 1)),
    ],
)
def test_the_best_neighbouring_layers(scores: list[float], least: int, window: tuple[int, int]) -> None:
    assert best_window(scores, least) == window

"""Concepts of a detector: all of them keep everything, unrelated ones nothing, and J by hand."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from llmood.config import BootstrapConfig
from llmood.engines.captures import all_needs
from llmood.engines.observations import Observations
from llmood.measures.subspace import Subspace
from llmood.metrics import auroc
from llmood.questions.concepts import (
    COMPLETENESS,
    SEPARABILITY,
    Explained,
    _explained,
    concepts,
    explain_by_concepts,
    explained_scorers,
)
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.base import scorers
from llmood.scorers.representation import Representation
from llmood.scoring import fit_all, score_all
from tests.planting import planted

STATES = {"layers": "all", "positions": "mean_prompt", "dtype": "float32"}
BOOTSTRAP = BootstrapConfig(draws=200)
DETECTORS = ["knn", "mahalanobis.one_class"]
TRAIN, TEST = 300, 1600
WIDTH = 8


def detector(name: str) -> Representation:
    return cast(Representation, scorers.get(name).make(hidden_states=STATES))


def world(direction: int, width: int = WIDTH, far: float = 4.0) -> tuple[Observations, NDArray[np.bool_]]:
    """States that vary less and less from one dimension to the next; OOD lies `far` along one of them."""
    generator = np.random.default_rng(direction)
    scales = 0.8 ** np.arange(width)
    states = generator.normal(size=(TRAIN + TEST, width)) * scales
    is_ood = np.arange(TRAIN + TEST) >= TRAIN + TEST // 2
    states[is_ood, direction] += far * scales[direction]
    splits = ["train"] * TRAIN + ["test"] * TEST
    found = planted(states[:, None] + 3.0, all_needs([detector("knn")]), splits=splits)
    return found, is_ood[TRAIN:]


def benchmark(values: NDArray[np.float64], is_ood: NDArray[np.bool_], name: str = "it") -> ScoredBenchmark:
    home = Population("home", "none", None, np.flatnonzero(~is_ood))
    away = Population("away", "near", None, np.flatnonzero(is_ood))
    groups = np.array([str(row) for row in range(len(values))])
    return ScoredBenchmark("b", home, (away,), {name: values}, groups)


def measured(rows: Observations, is_ood: NDArray[np.bool_], name: str) -> dict[tuple[str, int], MetricRecord]:
    chosen = {name: detector(name)}
    fit_all(chosen, rows)
    (column,) = score_all(rows.of("test"), chosen)
    explained = explain_by_concepts(chosen, rows.of("train"), rows.of("test"))
    scored = benchmark(column.values, is_ood, name)
    found = concepts(scored, explained, BOOTSTRAP, 0)
    return {(record.metric, record.params["concepts"]): record for record in found}


@pytest.mark.parametrize("name", DETECTORS)
def test_all_directions_keep_everything(name: str) -> None:
    found = measured(*world(direction=0), name)
    assert {count for _, count in found} == {2, 8}
    whole = found[COMPLETENESS, 8]
    assert whole.value == pytest.approx(1.0, abs=1e-3)
    assert whole.ci_low == pytest.approx(1.0, abs=0.02)
    assert 1 - 1e-9 < whole.params["variance"] <= 1
    assert (whole.slice, whole.question, whole.n, whole.n_positive) == (
        "8_concepts",
        "concepts",
        TEST,
        TEST // 2,
    )
    # Variances 1 and 0.64 of 1, 0.64, 0.64², …, 0.64⁷, of a sample.
    assert found[COMPLETENESS, 2].params["variance"] == pytest.approx(
        1.64 / (0.64 ** np.arange(8)).sum(), abs=0.05
    )


def test_what_lies_in_the_first_directions_is_kept() -> None:
    found = measured(*world(direction=0), "mahalanobis.one_class")
    assert cast(float, found[COMPLETENESS, 2].value) > 0.95
    assert cast(float, found[SEPARABILITY, 2].value) > 1.0


def test_what_lies_elsewhere_is_not() -> None:
    found = measured(*world(direction=7), "mahalanobis.one_class")
    assert cast(float, found[COMPLETENESS, 8].value) > 0.99
    assert cast(float, found[COMPLETENESS, 2].value) == pytest.approx(0.0, abs=0.15)
    assert cast(float, found[SEPARABILITY, 2].value) < 0.5


def test_random_directions_keep_about_nothing() -> None:
    """One of 64 at random has an eighth of the shift's length at most, mostly, and the detector squares it."""
    name = "mahalanobis.one_class"
    rows, is_ood = _round_world()
    chosen = detector(name)
    fit_all({name: chosen}, rows)
    (column,) = score_all(rows.of("test"), {name: chosen})
    assert auroc(column.values, is_ood) > 0.8
    kept = []
    for seed in range(10):
        random = np.linalg.qr(np.random.default_rng(seed).normal(size=(64, 1)))[0]
        explained = {
            name: _explained(chosen, Subspace(np.zeros(64), random, np.ones(1)), 64.0, rows.of("test"))
        }
        found = list(concepts(benchmark(column.values, is_ood, name), explained, BOOTSTRAP, 0))
        kept.append(next(record.value for record in found if record.metric == COMPLETENESS))
    assert np.mean(cast(Any, kept)) == pytest.approx(0.0, abs=0.15)


def _round_world() -> tuple[Observations, NDArray[np.bool_]]:
    generator = np.random.default_rng(0)
    states = generator.normal(size=(TRAIN + TEST, 64))
    is_ood = np.arange(TRAIN + TEST) >= TRAIN + TEST // 2
    states[is_ood, 5] += 4.5
    splits = ["train"] * TRAIN + ["test"] * TEST
    return planted(states[:, None], all_needs([detector("knn")]), splits=splits), is_ood[TRAIN:]


def by_hand(scores: Any, decoded: Any, coordinates: Any, is_ood: Any) -> dict[str, MetricRecord]:
    explained = Explained({1: np.array(decoded, float)}, np.array(coordinates, float)[:, None], {1: 0.5})
    scored = benchmark(np.array(scores, float), np.array(is_ood, bool))
    return {record.metric: record for record in concepts(scored, {"it": explained}, BOOTSTRAP, 0)}


def test_both_by_hand() -> None:
    """ID scores 1 to 4, OOD 3.5 to 9: the threshold is 4. Flagged lie at 4 and 6, the others at −1, 1, −1, 1, 0."""
    found = by_hand(
        scores=[1, 2, 3, 4, 3.5, 8, 9],
        decoded=[1, 2, 3, 4, 0, 8, 9],
        coordinates=[-1, 1, -1, 1, 0, 4, 6],
        is_ood=[0, 0, 0, 0, 1, 1, 1],
    )
    # Of 12 pairs the detector wins 11, and of the decoded states 8.
    assert found[COMPLETENESS].value == pytest.approx((8 / 12 - 0.5) / (11 / 12 - 0.5))
    # Scatter 4 + 2 over 7 samples, means 0 and 5.
    assert found[SEPARABILITY].value == pytest.approx(25 / (6 / 7))
    assert found[SEPARABILITY].params == {"concepts": 1, "variance": 0.5, "detected": 2, "let_pass": 5}


def test_what_is_undefined_says_why() -> None:
    chance = by_hand([1, 2, 1, 2], [1, 2, 1, 2], [0, 1, 0, 1], [0, 0, 1, 1])
    assert (chance[COMPLETENESS].value, chance[COMPLETENESS].ci_low) == (None, None)
    assert "isn't above chance" in str(chance[COMPLETENESS].reason)
    assert "all samples on one side" in str(chance[SEPARABILITY].reason)
    none = by_hand([np.nan] * 4, [np.nan] * 4, [np.nan] * 4, [0, 0, 1, 1])
    assert {record.reason for record in none.values()} == {"no sample was scored"}
    close = by_hand(
        [1, 2, 3, 4, 2.5, 1.5, 5, 3.5], [1, 2, 3, 4, 2.5, 1.5, 5, 3.5], range(8), [0] * 4 + [1] * 4
    )
    assert close[COMPLETENESS].value == pytest.approx(1.0)
    assert close[COMPLETENESS].reason == "the detector is at chance in some resamples"


def test_who_is_explained() -> None:
    made = {name: scorers.get(name).make() for name in ("knn", "mahalanobis", "vim", "likelihood", "length")}
    rows, _ = world(0)
    own = {name: detector(name) for name in ("knn", "mahalanobis", "relative_mahalanobis")}
    fit_all(own, rows)
    assert set(explained_scorers({**made, **own} | {"vim": made["vim"]})) == {"knn", "mahalanobis"}


def test_states_that_do_not_vary_have_no_concepts() -> None:
    chosen = {name: detector(name) for name in DETECTORS}
    rows = planted(np.ones((20, 1, 3)), all_needs([chosen["knn"]]), splits=["train"] * 20)
    fit_all(chosen, rows)
    assert explained_scorers(chosen).keys() == {"knn"}
    assert explain_by_concepts(chosen, rows, rows) == {}

"""What scorers made of the rows that they learned from is said, and only of those that learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmood.checks import CheckInput
from llmood.checks.learning import condition_number, nothing_learned
from llmood.engines.captures import all_needs
from llmood.records import Check
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.on_adapter import OnAdapter
from tests.planting import planted
from tests.unit.checks.test_checks import Given

STATES = {"layers": "all", "positions": "mean_prompt", "dtype": "float32"}


def fitted(name: str, states: np.ndarray, labels: list[str | None] | None = None) -> Scorer:
    scorer = scorers.get(name).make({}, hidden_states=STATES)
    rows = planted(states, all_needs([scorer]), splits=["train"] * len(states), labels=labels)
    return scorer.fit(rows)


def found(check: Any, **given: Scorer) -> list[Check]:
    made: CheckInput = replace(Given().input(), scorers=given)
    return list(check(made))


def states(spread: float = 1.0) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(40, 1, 4))
    values[:, :, 0] *= spread
    return values


def test_one_class_is_too_few_for_a_relative_distance() -> None:
    (check,) = found(nothing_learned, it=fitted("relative_mahalanobis", states()))
    assert (check.severity, check.values) == ("warning", {"scorer": "it"})
    assert "it scores nothing: nothing can be learned from train: there is one class" in check.detail
    assert not found(condition_number, it=fitted("relative_mahalanobis", states()))


def test_what_learned_is_not_spoken_of() -> None:
    plain = scorers.get("likelihood").make()
    assert not found(nothing_learned, it=fitted("mahalanobis", states()), other=plain)
    assert not found(condition_number, it=fitted("knn", states()), other=plain)


@pytest.mark.parametrize("adapter", [False, True])
def test_the_condition_of_a_covariance(adapter: bool) -> None:
    scorer = fitted("mahalanobis.one_class", states())
    expected = scorer.condition_number_  # type: ignore[attr-defined]
    if adapter:
        wrapped = OnAdapter(scorer=scorer, role="tuned:1")
        scorer = wrapped
    (check,) = found(condition_number, it=scorer)
    assert check.severity == "info"
    assert check.values["condition_number"] == expected
    assert 1 <= expected < 100


def test_a_nearly_singular_covariance_is_a_warning() -> None:
    scorer = fitted("mahalanobis.one_class", states())
    scorer.condition_number_ = 1e13  # type: ignore[attr-defined]
    (check,) = found(condition_number, it=scorer)
    assert check.severity == "warning"
    assert "1e+13" in check.detail


def test_a_background_has_a_condition_number_of_its_own() -> None:
    labels: list[str | None] = [f"class{place % 2}" for place in range(40)]
    own, background = found(condition_number, it=fitted("relative_mahalanobis", states(4.0), labels))
    assert "behind it has the condition number" in own.detail
    assert "of the background of it has the condition number" in background.detail
    assert background.values["of"] == "background"
    assert background.values["condition_number"] != own.values["condition_number"]


def test_a_background_of_words_has_none() -> None:
    scorer = scorers.get("ngram_ratio").make()
    scorer.background_ = object()  # type: ignore[attr-defined]  # its own, of characters
    assert not found(condition_number, it=scorer)

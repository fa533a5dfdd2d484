"""That a model knows train by heart is said where a scorer learned from its answers there, and only then."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from llmood.checks.memory import train_remembered
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.records import Check
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.on_adapter import OnAdapter
from llmood.tables import INDEX, SAMPLES
from tests.unit.checks.test_checks import Given

Share = tuple[int, int]
PUBLISHED: tuple[Share, Share] = ((56, 70), (48, 80))  # Newcombe (1998): 0.0524 to 0.3339


def rows(train: Share, validation: Share, task: str = "home") -> Observations:
    """So many right answers of so many, behind one of each split that nobody judged."""
    samples, verdicts = [], {}
    for split, (right, judged) in {"train": train, "validation": validation, "test": (0, 0)}.items():
        for number in range(judged + 1):
            samples.append({"sample_id": f"{split} {number}", "split": split, "task": task})
            if number < judged:
                verdicts[f"{split} {number}"] = number < right
    table = pa.Table.from_pylist(samples, schema=SAMPLES)
    return Observations(table, INDEX.empty_table(), Store(), verdicts)


def found(learned: Observations | None, *names: str) -> list[Check]:
    made = {name: scorers.get(name).make() for name in names}
    return list(train_remembered(replace(Given().input(), scorers=made, learned=learned)))


def test_both_shares_and_the_remedy_are_said() -> None:
    (check,) = found(rows(*PUBLISHED), "accuracy_probe", "likelihood")
    assert (check.severity, check.task) == ("warning", "home")
    assert "80.0 % (56 of 70) are right in train and 60.0 % (48 of 80) in validation" in check.detail
    assert "accuracy_probe learned from those answers" in check.detail
    assert "take the .held_out variant, which learns from validation." in check.detail
    assert (check.values["train_right"], check.values["train"]) == PUBLISHED[0]
    assert (check.values["validation_right"], check.values["validation"]) == PUBLISHED[1]
    assert (check.values["ci_low"], check.values["ci_high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_probe_of_draws_learns_from_answers_too() -> None:
    (check,) = found(rows(*PUBLISHED), "semantic_entropy_probe")
    assert "for semantic_entropy_probe take the .held_out variant" in check.detail


def test_an_ensemble_has_another_remedy() -> None:
    (check,) = found(rows(*PUBLISHED), "ensemble")
    assert "give ensemble train rows that the model was not tuned on." in check.detail
    assert "held_out" not in check.detail


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ((56, 70), (50, 70)),  # 0.80 and 0.71: chance could do that
        ((48, 80), (56, 70)),  # the other way round
        ((0, 0), (48, 80)),
        ((56, 70), (0, 0)),
    ],
)
def test_where_train_is_not_clearly_better_nothing_is_said(train: Share, validation: Share) -> None:
    assert found(rows(train, validation), "accuracy_probe") == []


@pytest.mark.parametrize(
    "name",
    ["likelihood", "mahalanobis", "accuracy_probe.held_out", "semantic_entropy_probe.held_out"],
)
def test_what_learned_from_no_answer_of_train_is_not_spoken_of(name: str) -> None:
    assert found(rows(*PUBLISHED), name) == []


def test_only_the_id_tasks_answers_count() -> None:
    assert found(rows(*PUBLISHED, task="near"), "accuracy_probe") == []
    assert found(None, "accuracy_probe") == []


def test_of_other_adapters_no_answer_is_judged() -> None:
    probe: Scorer = OnAdapter(scorer=scorers.get("semantic_entropy_probe").make(), role="tuned:1")
    given = replace(Given().input(), scorers={"it": probe}, learned=rows(*PUBLISHED))
    assert list(train_remembered(given)) == []

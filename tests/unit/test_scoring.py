"""All scorers over all observations: every sample has a score or a reason, in the samples' order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llmood.engines.base import Captured
from llmood.engines.observations import Block
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, scorers, with_reasons
from llmood.scoring import score_all, scores_table
from llmood.tables import SCORES
from tests.observing import ALL, BASE, TUNED, Spy, observe, prompts_of

TEXTS = ["one", "", "x" * 60, "four", "one"]


class Made(Scorer):
    """A scorer of one function."""

    def __init__(self, *, formula: Callable[[Block], Scores]) -> None:
        self.formula = formula

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (BASE,)

    def score(self, block: Block) -> Scores:
        return self.formula(block)


def test_scores_stand_in_the_samples_order_with_status_and_reason() -> None:
    _, observations = observe(TEXTS, ALL, Spy(max_length=40))
    names = ["likelihood_ratio", "length"]
    ratio, length = score_all(observations, {name: scorers.get(name).make() for name in names})
    assert [column.scorer for column in (ratio, length)] == names
    assert length.values.tolist() == [4, 1, 61, 5, 4]
    assert length.status.tolist() == ["ok"] * 5
    assert ratio.status.tolist() == ["ok", "unscored", "unscored", "ok", "ok"]
    assert ratio.reasons.tolist() == [
        None,
        "no token to predict, or both models gave probability zero",
        "61 tokens are over the context of 40",
        None,
        None,
    ]
    assert ratio.values[0] == ratio.values[4] != ratio.values[3]


def test_failed_is_not_unscored() -> None:
    engine = Spy()
    bad = prompts_of(["four"])[0].token_ids

    def before(spec: CaptureSpec, requests: Any) -> list[Captured] | None:
        if spec == TUNED and any(request.token_ids == bad for request in requests):
            return [Captured(status="failed", reason="it broke")] * len(requests)
        return None

    engine.before = before
    _, observations = observe(["four", "y" * 60], [BASE, TUNED], engine)
    ratio, base = score_all(
        observations, {name: scorers.get(name).make() for name in ("likelihood_ratio", "likelihood.base")}
    )
    assert (ratio.status.tolist(), ratio.reasons.tolist()) == (["failed", "ok"], ["it broke", None])
    assert base.status.tolist() == ["ok", "ok"]


def test_the_table_is_long_and_holds_null_for_no_score() -> None:
    _, observations = observe(TEXTS, ALL, Spy(max_length=40))
    columns = score_all(observations, {name: scorers.get(name).make() for name in ("likelihood", "constant")})
    table = scores_table(columns, [f"s{row:03}" for row in range(5)])
    assert table.schema.equals(SCORES, check_metadata=True)
    assert table["sample_id"].to_pylist() == [f"s{row:03}" for row in range(5)] * 2
    assert table["scorer"].to_pylist() == ["likelihood"] * 5 + ["constant"] * 5
    rows = table.to_pylist()
    assert rows[1]["score"] is None
    assert (rows[1]["status"], rows[1]["reason"]) == ("unscored", "one token: nothing to predict")
    assert rows[0]["score"] > 0
    assert rows[5] == {
        "sample_id": "s000",
        "scorer": "constant",
        "score": 0.0,
        "status": "ok",
        "reason": None,
        "fitted_on": None,
        "definition": None,
    }


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (lambda block: Scores(np.full(len(block), np.nan), [None] * len(block)), "without a reason"),
        (lambda block: Scores(np.zeros(1), [None]), r"made: \(1,\) scores for a block of 4 rows"),
        (lambda block: Scores(np.zeros((len(block), 2)), [None] * len(block)), r"\(4, 2\) scores"),
    ],
)
def test_a_scorer_that_breaks_its_contract_is_a_bug(formula: Callable[[Block], Scores], said: str) -> None:
    _, observations = observe(["a", "b", "c", "d"], [BASE])
    with pytest.raises(ValueError, match=said):
        score_all(observations, {"made": Made(formula=formula)})


def test_scores_and_reasons_are_as_many() -> None:
    with pytest.raises(ValueError, match="3 scores but 1 reasons"):
        Scores(np.zeros(3), [None])


def test_reasons_of_missing_observations_go_before_undefined_values() -> None:
    scores = with_reasons(
        np.array([1.0, np.nan, 3.0, 4.0]),
        ["ok", "ok", "unscored", "failed"],
        [None, None, "too long", None],
        "undefined",
    )
    np.testing.assert_array_equal(scores.values, [1.0, np.nan, np.nan, np.nan])
    assert list(scores.reasons) == [None, "undefined", "too long", "failed"]


def test_only_what_is_read_is_loaded() -> None:
    seen: list[list[str]] = []

    def formula(block: Block) -> Scores:
        seen.append(block[BASE].schema.names)
        return Scores(np.zeros(len(block)), [None] * len(block))

    _, observations = observe(["a", "b"], [BASE])
    narrow = Made(formula=formula)
    narrow.columns = {"prompt_logprobs": ["logprobs"]}  # type: ignore[misc]
    score_all(observations, {"narrow": narrow})
    score_all(observations, {"narrow": narrow, "wide": Made(formula=formula)})
    assert seen[0] == ["status", "reason", "logprobs"]
    assert "token_ids" in seen[1]  # one of them wants all

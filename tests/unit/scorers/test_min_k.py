"""Min-K % and Min-K%++ of observations: by hand, with responses, and where they say nothing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.observations import Block
from llmood.errors import ConfigError
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, scorers
from llmood.tables import CAPTURE_SCHEMAS

Row = list[float | None] | None


def table_of(kind: str, columns: dict[str, list[Row]], start: int) -> pa.Table:
    spans = [{"name": "prompt", "start": 0, "end": start}, {"name": "response", "start": start, "end": 99}]
    count = len(next(iter(columns.values())))
    rows = [
        {
            "key": "k",
            "status": "ok",
            "spans": spans,
            **{name: values[row] for name, values in columns.items()},
        }
        if all(values[row] is not None for values in columns.values())
        else {"status": "unscored", "reason": "over the context"}
        for row in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS[kind])


def score(
    scorer: Scorer,
    logprobs: list[Row],
    mean: list[Row] | None = None,
    std: list[Row] | None = None,
    start: int = 2,
) -> Scores:
    captures: dict[CaptureSpec, pa.Table] = {}
    for spec in scorer.needs:
        columns = (
            {"logprobs": logprobs}
            if spec.kind == "prompt_logprobs"
            else {"logprob_mean": mean or [], "logprob_std": std or []}
        )
        captures[spec] = table_of(spec.kind, columns, start)
    samples = pa.table({"sample_id": [str(row) for row in range(len(logprobs))]})
    return scorer.score(Block(np.arange(len(logprobs)), samples, captures))


def test_the_least_likely_token_of_five_by_default() -> None:
    rows: list[Row] = [[None, -1.0, -4.0, -2.0, -1.0, -3.0], [None, -1.0], [None], None]
    found = score(scorers.get("min_k").make(), rows)
    np.testing.assert_array_equal(found.values, [4.0, 1.0, np.nan, np.nan])
    assert found.reasons == [None, None, "one token: nothing to predict", "over the context"]


def test_a_share_of_a_response() -> None:
    scorer = scorers.get("min_k.response_given_prompt").make({"share": 0.5})
    assert scorer.needs == (CaptureSpec.of("prompt_logprobs", "tuned", "prompt_response"),)
    # Behind the prompt stand −1, −2 and −6: half of three is one token.
    assert score(scorer, [[None, -9.0, -1.0, -2.0, -6.0]]).values.tolist() == [6.0]


def test_standardised_by_hand() -> None:
    scorer = scorers.get("min_k_plus_plus").make({"share": 0.5})
    # (−1 + 2) / 1 = 1, (−4 + 2) / 0.5 = −4, (−4 + 6) / 2 = 1, (−6 + 3) / 1 = −3: the lower half are −4 and −3.
    found = score(
        scorer,
        [[None, -1.0, -4.0, -4.0, -6.0]],
        [[None, -2.0, -2.0, -6.0, -3.0]],
        [[None, 1.0, 0.5, 2.0, 1.0]],
    )
    assert found.values.tolist() == [3.5]


def test_no_spread_is_no_score_and_only_where_it_counts() -> None:
    logprobs: list[Row] = [[None, -1.0, -1.0, -2.0], [None, -1.0, -1.0, -2.0], [None], None]
    mean: list[Row] = [[None, -1.0, -1.0, -1.0], [None, -1.0, -1.0, -1.0], [None], None]
    std: list[Row] = [[None, 0.0, 0.5, 0.5], [None, 1.0, 0.5, 0.5], [None], None]
    found = score(scorers.get("min_k_plus_plus").make(), logprobs, mean, std)
    np.testing.assert_array_equal(found.values, [np.nan, 2.0, np.nan, np.nan])
    assert "no spread" in (found.reasons[0] or "")
    assert found.reasons[1:] == [None, "one token: nothing to predict", "over the context"]
    behind = scorers.get("min_k_plus_plus.response_given_prompt").make()
    assert score(behind, logprobs, mean, std).values[0] == 2.0


@pytest.mark.parametrize("name", ["min_k", "min_k_plus_plus"])
@pytest.mark.parametrize("share", [0, -0.1, 1.1, "0.2", True, float("nan")])
def test_a_share_that_is_none(name: str, share: object) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: share is a number above 0 and at most 1, not"):
        scorers.get(name).make({"share": share})

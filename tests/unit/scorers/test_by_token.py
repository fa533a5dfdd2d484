"""What each token adds to a likelihood ratio."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.observations import Block
from llmood.measures.token_statistics import likelihood_ratio, ratio_by_token, sum_scored_tokens
from llmood.records import FAILED, OK
from llmood.scorers.base import scorers
from llmood.scorers.by_token import ByToken, HasTokens
from llmood.scorers.spans import capture_of
from llmood.tables import CAPTURE_SCHEMAS

NAN = float("nan")
BASE = [[None, -1.0, -4.0], [None], [None, -2.0, -2.0, -1.0], None]
TUNED = [[None, -3.0, -0.5], [None], [None, -2.5, -1.0, -7.0], [None, -1.0]]


def table(rows: list[list[float | None] | None], *, ids: bool = True) -> pa.Table:
    schema = CAPTURE_SCHEMAS["prompt_logprobs"]
    found = [
        {
            "status": FAILED if row is None else OK,
            "reason": "lost" if row is None else None,
            "token_ids": None if row is None or not ids else list(range(10, 10 + len(row))),
            "logprobs": row,
            "spans": None if row is None else [{"name": "response", "start": 2, "end": len(row)}],
        }
        for row in rows
    ]
    return pa.Table.from_pylist(found, schema=schema)


def block(*, target: str = "prompt", ids: bool = True) -> Block:
    fed = {
        capture_of(role, target): table(rows, ids=ids) for role, rows in (("base", BASE), ("tuned", TUNED))
    }  # type: ignore[arg-type]
    samples = pa.table({"sample_id": ["a", "b", "c", "d"]})
    return Block(np.arange(4), samples, fed)


def by_token(name: str, given: Block) -> ByToken:
    scorer = scorers.get(name).make()
    assert isinstance(scorer, HasTokens)
    return scorer.by_token(given)


def test_each_adds_log_base_minus_log_tuned() -> None:
    found = by_token("likelihood_ratio", block())
    assert found.offsets.tolist() == [0, 3, 4, 8, 8]  # the last row: the base model lost it
    np.testing.assert_array_equal(found.values, [NAN, 2.0, -3.5, NAN, NAN, 0.5, -1.0, 6.0])
    assert found.ids.tolist() == [10, 11, 12, 10, 10, 11, 12, 13]


@pytest.mark.parametrize("name", ["likelihood_ratio", "likelihood_ratio.mean"])
def test_they_add_up_to_the_score(name: str) -> None:
    given = block()
    found = by_token(name, given)
    scored = scorers.get(name).make().score(given).values
    for row in (0, 2):
        own = found.values[found.offsets[row] : found.offsets[row + 1]]
        assert np.nansum(own) == pytest.approx(scored[row])
    assert np.isnan(scored[[1, 3]]).all()


def test_only_tokens_of_the_target_count() -> None:
    found = by_token("likelihood_ratio.response_given_prompt", block(target="prompt_response"))
    np.testing.assert_array_equal(found.values, [NAN, NAN, -3.5, NAN, NAN, NAN, -1.0, 6.0])


def test_without_ids_there_are_no_tokens() -> None:
    found = by_token("likelihood_ratio", block(ids=False))
    assert found.offsets.tolist() == [0, 0, 0, 0, 0]
    assert not len(found.values)


def test_the_largest_in_the_order_of_the_text() -> None:
    values = np.array([NAN, 0.5, -3.0, np.inf, 2.0, 3.0, 0.0])
    found = ByToken(values, np.arange(7), np.array([0, 7, 7]))
    assert found.largest(0, 3).tolist() == [2, 4, 5]
    assert found.largest(0, 10).tolist() == [1, 2, 4, 5, 6]  # no NaN and no infinity
    assert found.largest(1, 3).tolist() == []


def test_the_sums_are_those_of_the_formula() -> None:
    generator = np.random.default_rng(3)
    base, tuned = generator.normal(size=(2, 40)) - 3
    offsets, start = np.array([0, 11, 12, 40]), np.array([4, 0, 9])
    base[[0, 11, 12]] = tuned[[0, 11, 12]] = NAN
    for mean in (False, True):
        found = ratio_by_token(base, tuned, offsets, start, mean=mean)
        sums = [np.nansum(found[low:high]) for low, high in pairwise(offsets)]
        one, count = sum_scored_tokens(base, offsets, start)
        other, _ = sum_scored_tokens(tuned, offsets, start)
        expected = np.nan_to_num(likelihood_ratio(one, other, count, mean=mean))
        np.testing.assert_allclose(sums, expected)

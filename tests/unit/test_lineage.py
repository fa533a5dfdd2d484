"""Which samples are resampled together."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from llmood.lineage import group_keys, with_parents
from llmood.tables import SAMPLES


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"population": "id", "split": "test", **row} for row in rows], schema=SAMPLES
    )


def test_a_group_wins_and_a_copy_is_in_its_originals() -> None:
    samples = table(
        {"sample_id": "a", "group": "g"},
        {"sample_id": "b"},
        {"sample_id": "copy of a", "parent_id": "a"},
        {"sample_id": "copy of b", "parent_id": "b"},
        {"sample_id": "copy of the copy", "parent_id": "copy of b"},
    )
    assert group_keys(samples) == ["group:g", "sample:b", "group:g", "sample:b", "sample:b"]


def test_an_original_with_a_parent_elsewhere_takes_its_copies_along() -> None:
    samples = table(
        {"sample_id": "a", "parent_id": "some document"},
        {"sample_id": "sibling", "parent_id": "some document"},
        {"sample_id": "copy of a", "parent_id": "a"},
        {"sample_id": "alone"},
    )
    assert group_keys(samples) == ["sample:some document"] * 3 + ["sample:alone"]


def test_parents_in_a_circle_end() -> None:
    samples = table({"sample_id": "a", "parent_id": "b"}, {"sample_id": "b", "parent_id": "a"})
    assert len(group_keys(samples)) == 2


def test_a_parent_by_its_data_sets_own_name_is_found() -> None:
    samples = table(
        {"sample_id": "x1", "meta": json.dumps({"id": "q0"})},
        {"sample_id": "x2", "meta": json.dumps({"id": 7})},
        {"sample_id": "y1", "population": "ood", "parent_id": "q0", "meta": json.dumps({"id": "q1"})},
        {"sample_id": "y2", "population": "ood", "parent_id": "7"},
        {"sample_id": "y3", "population": "ood", "parent_id": "q1"},  # no ID row
    )
    assert with_parents(samples)["parent_id"].to_pylist() == [None, None, "x1", "x2", "q1"]

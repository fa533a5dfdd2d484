"""The grammar of gates, and which records they look at."""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.errors import ConfigError
from llmood.gates import _KEYS, judge, parse_gate
from llmood.records import MetricRecord

NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,15}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def record(**values: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "benchmark": "b",
        "question": "ood_detection",
        "scorer": "likelihood",
        "id_task": "bank",
        "ood_task": "near",
        "shift": "near",
        "metric": "auroc",
        "value": 0.8,
        "n": 10,
    }
    return asdict(MetricRecord(**{**plain, **values}))


@given(
    metric=st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True),
    filters=st.dictionaries(st.sampled_from(_KEYS), NAMES, max_size=4),
    relation=st.sampled_from([">=", "<=", ">", "<", "=="]),
    limit=NUMBERS,
    gap=st.sampled_from(["", " ", "  \t"]),
)
def test_what_is_written_is_what_is_read(
    metric: str, filters: dict[str, str], relation: str, limit: float, gap: str
) -> None:
    inside = f"{gap},{gap}".join(f"{key}{gap}={gap}{value}" for key, value in filters.items())
    text = f"{gap}{metric}{gap}[{gap}{inside}{gap}]{gap}{relation}{gap}{limit!r}{gap}"
    gate = parse_gate(text)
    assert (gate.text, gate.metric, gate.relation, gate.limit) == (text, metric, relation, limit)
    question = "ood_detection" if filters.get("calibrator", "null") == "null" else "calibration"
    assert gate.filters == {"question": question, **filters}
    # And read again from its parts, without what is optional.
    written = (
        f"{metric}[{','.join(f'{key}={value}' for key, value in gate.filters.items())}]{relation}{limit!r}"
    )
    again = parse_gate(written)
    assert (again.metric, again.filters, again.relation, again.limit) == (
        (gate.metric, gate.filters, gate.relation, gate.limit)
    )


@given(st.text(max_size=40))
def test_any_text_is_a_gate_or_a_mistake(text: str) -> None:
    message = ""
    try:
        parse_gate(text)
    except ConfigError as error:
        message = str(error)
    assert not message or message.startswith("--gate ")
    assert "\n" not in message


def test_every_filter_is_a_column_of_the_records() -> None:
    names = [field.name for field in fields(MetricRecord)]
    assert set(_KEYS) <= set(names)
    # What isn't one is the number itself, or tells how it was made.
    assert set(names) - set(_KEYS) == {
        *("schema", "metric", "params", "value", "reason", "ci_low", "ci_high", "ci_level", "ci_method"),
        *("n", "n_negative", "n_positive", "n_unscored", "positive_class", "higher_is_better"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auroc",
        "auroc >=",
        ">= 0.8",
        "auroc = 0.8",
        "auroc => 0.8",
        "auroc != 0.8",
        "auroc[scorer=likelihood >= 0.8",
        "auroc scorer=likelihood] >= 0.8",
        "auroc[scorer] >= 0.8",
        "auroc[scorer=] >= 0.8",
        "auroc[=likelihood] >= 0.8",
        "auroc[scorer=a,scorer=b] >= 0.8",
        "auroc >= 0.8 0.9",
        "auroc >= 80%",
        "auroc >= nan",
        "auroc >= inf",
        "auroc >= 1e999",
    ],
)
def test_a_gate_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="--gate"):
        parse_gate(text)


@pytest.mark.parametrize(
    ("typo", "meant"), [("scorrer", "scorer"), ("od_task", "ood_task"), ("sift", "shift")]
)
def test_an_unknown_key_is_answered_with_the_nearest(typo: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"no '{typo}'.*'{meant}'"):
        parse_gate(f"auroc[{typo}=x] >= 0.8")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("auroc > 0", True),
        ("auroc[scorer=likelihood,shift=near,ood_task=near,id_task=bank,benchmark=b,split=test] > 0", True),
        ("aurocs > 0", False),
        ("auroc[shift=far] > 0", False),
        ("auroc[scorer=likelihood_ratio] > 0", False),
        ("auroc[question=calibration] > 0", False),
        ("auroc[severity=null] > 0", True),
        ("auroc[severity=1] > 0", False),
        ("auroc[slice=null] > 0", True),
        ("auroc[slice=short] > 0", False),
    ],
)
def test_which_records_are_meant(text: str, *, matches: bool) -> None:
    assert parse_gate(text).matches(record()) is matches


def test_slices_are_looked_at_only_when_named() -> None:
    sliced = record(slice="short")
    assert not parse_gate("auroc > 0").matches(sliced)
    assert parse_gate("auroc[slice=short] > 0").matches(sliced)


def test_a_baseline_is_looked_at_only_when_a_scorer_is_named() -> None:
    records = [record(), *(record(scorer=name, value=0.5) for name in ("length", "random", "constant"))]
    every, named, none = judge(
        [
            parse_gate(text)
            for text in ("auroc >= 0.7", "auroc[scorer=random] == 0.5", "auroc[shift=far] >= 0")
        ],
        records,
    )
    assert (every.held, every.matched) == (True, 1)
    assert (named.held, named.matched) == (True, 1)
    assert not none.held
    assert replace(every.gate, baselines=True).matches(records[1])


@pytest.mark.parametrize(
    ("gate", "instead"),
    [
        ("accuracy >= 0.5", ("accuracy[question=error_detection] >= 0.5",)),
        ("accuracy[shift=none] < 1", ("accuracy[question=error_detection,shift=none] < 1",)),
        ("auroc[shift=none] >= 0", ("auroc[question=error_detection,shift=none] >= 0",)),
        ("accuracy[shift=far] >= 0.5", ()),  # no question has such a record
        ("auroc >= 0.9", ()),  # missed, but not for its question
    ],
)
def test_a_gate_without_its_question_is_told_it(gate: str, instead: tuple[str, ...]) -> None:
    errors = {"question": "error_detection", "ood_task": None, "shift": "none"}
    records = [record(), record(**errors), record(**errors, metric="accuracy", scorer=None)]
    (result,) = judge([parse_gate(gate)], records)
    assert not result.held
    assert result.instead == instead
    assert all(judge([parse_gate(text)], records)[0].matched == 1 for text in instead)


@pytest.mark.parametrize(
    ("gate", "several", "first"),
    [
        ("auroc[scorer=likelihood] > 0", True, True),
        ("auroc[scorer=likelihood] > 0", False, False),
        ("auroc > 0", True, False),  # the other adapter's record is among them
        ("auroc[scorer=likelihood@tuned:1] > 0", True, False),
        ("auroc[scorer=likelihood.base] > 0", True, False),  # reads no adapter
        ("auroc[scorer=likelihood,slice=over_adapters] > 0", True, False),
    ],
)
def test_a_gate_on_the_first_of_several_adapters_says_so(gate: str, *, several: bool, first: bool) -> None:
    names = ("likelihood", "likelihood@tuned:1", "likelihood.base")
    records = [*(record(scorer=name) for name in names), record(slice="over_adapters")]
    (result,) = judge([parse_gate(gate)], records, several_adapters=several)
    assert result.held
    assert result.first_adapter is first


def test_a_number_is_filtered_as_it_is_written() -> None:
    assert parse_gate("auroc[severity=3] > 0").matches(record(severity=3))


@pytest.mark.parametrize(
    ("relation", "held"),
    [
        (">= 0.8", True),
        ("<= 0.8", True),
        ("== 0.8", True),
        ("> 0.8", False),
        ("< 0.8", False),
        ("> 0.79", True),
    ],
)
def test_relations(relation: str, *, held: bool) -> None:
    assert parse_gate(f"auroc {relation}").holds(record()) is held


def test_every_matching_record_must_hold() -> None:
    records = [record(), record(ood_task="far", shift="far", value=0.6), record(metric="brier", value=0.0)]
    held, missed, unmatched, undefined = judge(
        [
            parse_gate(text)
            for text in ("auroc >= 0.6", "auroc >= 0.7", "auroc[shift=covariate] >= 0", "auroc >= 0")
        ],
        [*records],
    )
    assert (held.held, held.matched, held.missed) == (True, 2, [])
    assert (missed.held, missed.matched) == (False, 2)
    assert [found["ood_task"] for found in missed.missed] == ["far"]
    assert (unmatched.held, unmatched.matched) == (False, 0)
    assert undefined.held


def test_an_undefined_value_misses_whatever_the_relation() -> None:
    for relation in ("<", "<=", ">", ">=", "=="):
        (result,) = judge(
            [parse_gate(f"auroc {relation} 0.5")], [record(), record(value=None, reason="no samples")]
        )
        assert [found["value"] for found in result.missed if found["value"] is None] == [None]
        assert not result.held


def test_the_guide_to_errors_names_the_question_and_the_scorer() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/pages/guide/errors.md").read_text(encoding="utf-8")
    gates = [parse_gate(text) for text in re.findall(r"--gate '([^']+)'", page)]
    assert {gate.metric for gate in gates} == {"auroc", "accuracy"}
    for gate in gates:
        assert gate.filters["question"] == "error_detection"
        assert ("scorer" in gate.filters) == (gate.metric != "accuracy")

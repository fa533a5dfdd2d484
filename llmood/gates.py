"""Gates: conditions on a run's records that a pipeline stops at, `auroc[scorer=likelihood_ratio] >= 0.80`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from llmood.errors import ConfigError
from llmood.metrics import CALIBRATION
from llmood.records import MetricRecord
from llmood.registry import suggest
from llmood.scorers.base import scorers
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter, reads_adapter

_GATE = re.compile(
    r"^\s*(?P<metric>\w+)\s*(?:\[(?P<filters>[^\]]*)\])?\s*(?P<relation>>=|<=|==|>|<)\s*(?P<limit>\S+)\s*$"
)
_RELATIONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
# What a gate can't choose records by: the number itself, and how it was made.
_VALUES = frozenset(
    {"schema", "metric", "params", "value", "reason", "ci_low", "ci_high", "ci_level", "ci_method"}
    | {"n", "n_negative", "n_positive", "n_unscored", "positive_class", "higher_is_better"}
)
_KEYS = tuple(field.name for field in fields(MetricRecord) if field.name not in _VALUES)


@dataclass(frozen=True, slots=True)
class Gate:
    """One parsed gate: every record that it matches must hold.

    What it matches is its metric under its filters. The question is `ood_detection` unless it names another, or a
    calibrator: that is a question of `calibration`. A slice is
    meant only where it names one, and a baseline (length, random, constant) only where it names a scorer: no baseline
    is there to be good.

    Attributes:
        baselines: whether it means baselines though it names no scorer.
    """

    text: str
    metric: str
    filters: Mapping[str, str]
    relation: str
    limit: float
    baselines: bool = False

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is meant."""
        if record["metric"] != self.metric:
            return False
        if "slice" not in self.filters and record["slice"] is not None:
            return False
        if "scorer" not in self.filters and record["scorer"] in BASELINES and not self.baselines:
            return False
        return all(_same(record[key], wanted) for key, wanted in self.filters.items())

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether a record satisfies it; an undefined value never does."""
        value = record["value"]
        return value is not None and _RELATIONS[self.relation](value, self.limit)


@dataclass(frozen=True, slots=True)
class GateResult:
    """How a gate fared: how many records it looked at, and those that missed it.

    Attributes:
        first_adapter: whether it looked at the first adapter only, though there are several.
        instead: where it matched none, the gates that name another question and match some.
    """

    gate: Gate
    matched: int
    missed: Sequence[Mapping[str, Any]]
    first_adapter: bool = False
    instead: Sequence[str] = ()

    @property
    def held(self) -> bool:
        return self.matched > 0 and not self.missed


def parse_gate(text: str) -> Gate:
    """Read a gate.

    Raises:
        ConfigError: it is not `metric[key=value,…] relation number`, or filters by a key that records don't have.
    """
    found = _GATE.match(text)
    form = "write it as 'auroc[scorer=likelihood_ratio,shift=near] >= 0.80'"
    if found is None:
        raise ConfigError(f"--gate {text!r}: can't be read", hint=form)
    try:
        limit = float(found["limit"])
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise ConfigError(f"--gate {text!r}: '{found['limit']}' is not a number", hint=form)
    filters: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in (found["filters"] or "").split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ConfigError(f"--gate {text!r}: '{part}' is not key=value", hint=form)
        if key not in _KEYS:
            raise ConfigError(f"--gate {text!r}: records have no '{key}'", hint=suggest(key, _KEYS))
        if key in filters:
            raise ConfigError(f"--gate {text!r}: '{key}' stands there twice", hint="write a gate for each")
        filters[key] = value
    question = "ood_detection" if filters.get("calibrator", "null") == "null" else CALIBRATION
    return Gate(text, found["metric"], {"question": question, **filters}, found["relation"], limit)


def judge(
    gates: Sequence[Gate], records: Sequence[Mapping[str, Any]], *, several_adapters: bool = False
) -> list[GateResult]:
    """Each gate against all records. A gate that no record matches is missed.

    Args:
        several_adapters: whether the records' scorers read the first of several adapters.
    """
    results = []
    for gate in gates:
        matching = [record for record in records if gate.matches(record)]
        missed = [record for record in matching if not gate.holds(record)]
        first = several_adapters and _of_first_adapter(matching)
        instead = () if matching else _of_other_questions(gate, records)
        results.append(GateResult(gate, len(matching), missed, first, instead))
    return results


def _of_other_questions(gate: Gate, records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The same gate under each question that has records for it, as it is to be written."""
    found = []
    for question in sorted({record["question"] for record in records if record["metric"] == gate.metric}):
        other = replace(gate, filters={**gate.filters, "question": question})
        if any(other.matches(record) for record in records):
            filters = ",".join(f"{key}={value}" for key, value in other.filters.items())
            found.append(f"{gate.metric}[{filters}] {gate.relation} {gate.limit:.12g}")
    return tuple(found)


def _of_first_adapter(matching: Sequence[Mapping[str, Any]]) -> bool:
    """Whether some of the records read an adapter, and none of them another than the first."""
    if any(record["slice"] is not None or is_on_adapter(record["scorer"] or "") for record in matching):
        return False
    names = {record["scorer"] for record in matching}
    return any(name in scorers and reads_adapter(scorers.get(name).make()) for name in names)


def _same(value: Any, wanted: str) -> bool:
    return ("null" if value is None else str(value)) == wanted

"""Gates as the command line takes them: a name that nothing has is a mistake, said before anything loads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llmood.calibrators import calibrators
from llmood.comparison.contest import QUESTION as COMPARISON
from llmood.errors import ConfigError
from llmood.gates import Gate, GateResult, judge, parse_gate
from llmood.metrics import metrics_registry
from llmood.questions import (
    calibration,
    calibration_change,
    calibration_severity,
    concepts,
    effective_information,
    error_loss,
    error_quality,
    errors,
    familiarity,
    length_confound,
    modality,
    population_shift,
    promise,
    rater_disagreement,
    severity,
    yes_no,
)
from llmood.questions.ood_detection import BEHIND_BEST
from llmood.questions.ood_detection import QUESTION as DETECTION
from llmood.records import SHIFTS
from llmood.registry import suggest
from llmood.scorers.base import scorers
from llmood.scorers.on_adapter import BETWEEN
from llmood.traffic.summary import QUESTION as TRAFFIC
from llmood.traffic.words import TITLES

Record = Mapping[str, Any]

OF_QUESTIONS = (
    *(
        BEHIND_BEST,
        length_confound.METRIC,
        severity.CORRELATION,
        severity.SHIFT,
        familiarity.IN_SLICE,
        familiarity.GAP,
        concepts.COMPLETENESS,
        concepts.SEPARABILITY,
    ),
    *(modality.ON_PART, modality.NEW_SIDES, modality.CHANGE),
    *promise.METRICS,
    *calibration_severity.METRICS,
    *(f"{metric}{calibration_change.CHANGE}" for metric in calibration_change.CHANGED),
    *effective_information.METRICS,
    *rater_disagreement.METRICS,
    *(population_shift.MMD, population_shift.MISMATCH, population_shift.MISTAKEN),
    *(errors.ACCURACY, error_quality.PRR, error_quality.SPEARMAN),
    *yes_no.METRICS,
    *(f"{metric}{error_loss.LOSS}" for metric in (errors.ACCURACY, *error_loss.LOST)),
)
QUESTIONS = (
    DETECTION,
    length_confound.QUESTION,
    severity.QUESTION,
    familiarity.QUESTION,
    concepts.QUESTION,
    errors.QUESTION,
    calibration.QUESTION,
    promise.QUESTION,
    population_shift.QUESTION,
    modality.QUESTION,
    effective_information.QUESTION,
    rater_disagreement.QUESTION,
)


def run_gates(texts: Sequence[str] | None, records: Iterable[Record] = ()) -> list[Gate]:
    """Gates on a run.

    Args:
        records: of runs that are there already; the names in them are known, whatever is installed here.

    Raises:
        ConfigError: a gate can't be read, or names a metric, a scorer, a question or a shift that doesn't exist.
    """
    gates = [parse_gate(text) for text in texts or []]
    had = list(records) if gates else []
    metrics = {*metrics_registry.names(), *OF_QUESTIONS, *(record["metric"] for record in had)}
    questions = {*QUESTIONS, *(record["question"] for record in had)}
    named = {record["scorer"] for record in had if record["scorer"] is not None}
    for gate in gates:
        _check(gate, "metric", gate.metric, metrics)
        _check(gate, "question", gate.filters["question"], questions)
        _check_filters(gate, named)
    return gates


def comparison_gates(texts: Sequence[str] | None) -> list[Gate]:
    """Gates on differences: their question needs no naming, and a baseline is there only where it was asked for.

    Raises:
        ConfigError: as `run_gates`.
    """
    gates = [parse_gate(text) for text in texts or []]
    metrics = {f"{name}_difference" for name, metric in metrics_registry if metric.question == DETECTION}
    found = []
    for gate in gates:
        _check(gate, "metric", gate.metric, metrics)
        question = gate.filters["question"]
        _check(gate, "question", COMPARISON if question == DETECTION else question, (COMPARISON,))
        _check_filters(gate, ())
        found.append(replace(gate, filters={**gate.filters, "question": COMPARISON}, baselines=True))
    return found


def traffic_gates(texts: Sequence[str] | None, more: Collection[str] = ()) -> list[Gate]:
    """Gates on scored traffic: the question of what only traffic has needs no naming.

    Args:
        more: metrics that this traffic has, beside what all traffic has.

    Raises:
        ConfigError: a gate can't be read, or names a metric or a question that traffic doesn't have.
    """
    found = []
    for gate in [parse_gate(text) for text in texts or []]:
        own = {*TITLES, *more}
        _check(gate, "metric", gate.metric, {*own, *metrics_registry.names()})
        question = gate.filters["question"]
        if gate.metric in own and question == DETECTION:
            question = TRAFFIC
        _check(gate, "question", question, (TRAFFIC, DETECTION, errors.QUESTION))
        found.append(replace(gate, filters={**gate.filters, "question": question}, baselines=True))
    return found


def judge_gates(gates: Sequence[Gate], records: Sequence[Record], models: Iterable[str]) -> list[GateResult]:
    """Each gate against the records.

    Args:
        models: the roles of the models behind them.
    """
    return judge(gates, records, several_adapters=any(role.startswith("tuned:") for role in models))


def _check_filters(gate: Gate, named: Collection[str]) -> None:
    calibrator = gate.filters.get("calibrator", "null")
    if calibrator != "null":
        _check(gate, "calibrator", calibrator, calibrators.names())
    for key in ("scorer", "shift"):
        wanted = gate.filters.get(key)
        if wanted is None or wanted == "null":
            continue
        if key == "shift":
            _check(gate, key, wanted, ("none", *SHIFTS))
        elif wanted not in named:
            _check(gate, key, wanted.partition(BETWEEN)[0], {*scorers.names(), *named})


def _check(gate: Gate, kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ConfigError(f"--gate {gate.text!r}: no {kind} '{name}'", hint=suggest(name, known))

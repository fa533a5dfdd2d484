"""Paired differences as a person reads them: rows of a table, and a small self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmood.displays.differences import Differences
from llmood.errors import ConfigError
from llmood.metrics import metrics_registry
from llmood.report import text
from llmood.report.svg import inline_svg
from llmood.tables import write_json, write_text

Record = Mapping[str, Any]

FRAME_COLUMNS = (
    *("metric", "scorer_a", "scorer_b", "run_a", "run_b", "id_task", "ood_task", "shift", "severity"),
    *("value_a", "value_b", "difference", "ci_low", "ci_high", "ci_level", "p_value", "p_holm", "better"),
    *("smallest_detectable", "n", "n_negative", "n_positive", "n_common", "n_unscored", "reason"),
)


@dataclass(frozen=True)
class DifferenceRow:
    """One record, every cell ready to be shown.

    Attributes:
        sides: `A − B`.
        left_out: every sample that one side lacks, counted; or "none".
        verdict: who is better, in words.
        tone: `a`, `b`, `none` or `undefined`.
    """

    task: str
    shift: str
    severity: int | None
    sides: str
    scorer: str
    value_a: str
    value_b: str
    difference: str
    interval: str
    p_value: str
    p_holm: str
    detectable: str
    pairs: str
    left_out: str
    verdict: str
    tone: str


@dataclass(frozen=True)
class MetricDifferences:
    """All differences of one metric."""

    metric: str
    title: str
    better: str
    unit: str
    rows: tuple[DifferenceRow, ...]


def differences_by_metric(records: Sequence[Record]) -> list[MetricDifferences]:
    """The rows of every metric, in the records' order."""
    found = []
    for name in dict.fromkeys(record["params"]["metric"] for record in records):
        own = [record for record in records if record["params"]["metric"] == name]
        better = "higher is better" if own[0]["higher_is_better"] else "lower is better"
        unit = "percentage points" if _is_percent(name) else ""
        rows = tuple(difference_row(record) for record in own)
        found.append(MetricDifferences(name, text.metric_name(name), better, unit, rows))
    return found


def difference_row(record: Record) -> DifferenceRow:
    """One record as it is shown."""
    params, metric = record["params"], record["params"]["metric"]
    a, b = params["a"], params["b"]
    undefined = record["value"] is None
    return DifferenceRow(
        task=record["ood_task"],
        shift=record["shift"],
        severity=record["severity"],
        sides=f"{a['letter']} − {b['letter']}",
        scorer=a["scorer"] if a["scorer"] == b["scorer"] else f"{a['scorer']} − {b['scorer']}",
        value_a=_value(metric, a["value"]),
        value_b=_value(metric, b["value"]),
        difference="–" if undefined else _signed(metric, record["value"]),
        interval="" if undefined else _interval(metric, record),
        p_value=_probability(params.get("p_value")),
        p_holm=_probability(params.get("p_holm")),
        detectable=_detectable(metric, params.get("smallest_detectable")),
        pairs=f"{text.count(record['n_negative'])} + {text.count(record['n_positive'])}",
        left_out=_left_out(params),
        verdict=verdict(record),
        tone="undefined" if undefined else params["better"] or "none",
    )


def verdict(record: Record) -> str:
    """Who is better, in words."""
    params = record["params"]
    if record["value"] is None:
        return f"undefined: {record['reason']}"
    return (
        "no difference shown"
        if params["better"] is None
        else f"{params[params['better']]['letter']} is better"
    )


def frame_row(record: Record) -> dict[str, Any]:
    """One record, flat, for a data frame."""
    params = record["params"]
    a, b = params["a"], params["b"]
    flat = {
        **{key: record[key] for key in FRAME_COLUMNS if key in record},
        **{key: params[key] for key in FRAME_COLUMNS if key in params},
        "difference": record["value"],
        **{f"{key}_a": a[key] for key in ("run", "scorer", "value")},
        **{f"{key}_b": b[key] for key in ("run", "scorer", "value")},
    }
    return {key: flat.get(key) for key in FRAME_COLUMNS}


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """The page. The same comparison gives the same bytes."""
    from llmood.report.page import environment

    records = comparison["metrics"]
    metrics = differences_by_metric(records)
    pictures = [
        inline_svg(
            Differences([r for r in records if r["params"]["metric"] == each.metric], title=each.title),
            f"d{place}",
        )
        for place, each in enumerate(metrics)
    ]
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            sides=comparison["sides"],
            checks=comparison["checks"],
            metrics=list(zip(metrics, pictures, strict=True)),
            level=_level(records),
            draws=max((r["params"].get("draws") or 0 for r in records), default=0),
            comparisons=max((r["params"]["comparisons"] for r in records), default=0),
        )
        + "\n"
    )


def write_comparison(comparison: Mapping[str, Any], target: Path) -> Path:
    """Write the page and the JSON beside it; the page's path.

    Raises:
        ConfigError: the target is a file that is no page.
    """
    is_page = target.suffix.lower() in (".html", ".htm")
    if not is_page and target.exists() and not target.is_dir():
        raise ConfigError(f"{target}: is a file, not a folder", hint="name a folder, or a file ….html")
    page = target if is_page else target / "comparison.html"
    write_json(page.with_suffix(".json"), comparison)
    write_text(page, render_comparison(comparison))
    return page


def _is_percent(metric: str) -> bool:
    return metrics_registry.get(metric).unit == "percent"


def _value(metric: str, value: float | None) -> str:
    return "–" if value is None else text.shown(metric, value)


def _plain(metric: str, value: float) -> str:
    # Of a percentage, percentage points: a difference of 1.2 %, unmarked, could be one of ratios.
    return text.percent(value) if _is_percent(metric) else text.number(value)


def _signed(metric: str, value: float) -> str:
    return f"+{_plain(metric, value)}" if value > 0 else _plain(metric, value)


def _interval(metric: str, record: Record) -> str:
    return f"{_signed(metric, record['ci_low'])} to {_signed(metric, record['ci_high'])}"


def _probability(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def _detectable(metric: str, value: float | None) -> str:
    return "–" if value is None else _plain(metric, value)


def _left_out(params: Mapping[str, Any]) -> str:
    found = []
    for key in ("a", "b"):
        side = params[key]
        for population, count in side["only_here"].items():
            if count:
                found.append(f"{text.count(count)} {population.upper()} only in {side['letter']}")
    for key in ("a", "b"):
        side = params[key]
        if side["n_unscored"]:
            found.append(f"{text.count(side['n_unscored'])} unscored in {side['letter']}")
    return ", ".join(found) or "none"


def _level(records: Sequence[Record]) -> str:
    levels = [record["ci_level"] for record in records if record["ci_level"] is not None]
    return f"{levels[0] * 100:g}\u00a0%" if levels else ""

"""The page of an event store: a section a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from llmood.displays import FlagRate, ScoreDistribution
from llmood.metrics.exact import clopper_pearson
from llmood.records import FAILED, OK, MetricRecord
from llmood.report.figures import Picture
from llmood.report.page import environment
from llmood.report.svg import inline_svg
from llmood.report.text import count, interval, number, percent, shorten
from llmood.traffic.drift import MARTINGALE_P
from llmood.traffic.shares import ANSWERED_SHARE, FLAG_RATE, LEVEL, SCORED_SHARE
from llmood.traffic.words import ALARM, P_VALUES, TITLES, said
from llmood.traffic_report.clusters import Cluster, clusters_of
from llmood.traffic_report.collecting import Collected
from llmood.traffic_report.latency import TITLES as LATENCIES
from llmood.traffic_report.timeline import NAMES, Span

LEAST_P = 0.0001
SHARES = (SCORED_SHARE, FLAG_RATE, ANSWERED_SHARE)
SHOWN_MODELS = 20


@dataclass(frozen=True)
class Line:
    """A number with its interval, and what it says."""

    title: str
    value: str
    interval: str
    says: str


def render_traffic(name: str, collected: Sequence[Collected]) -> str:
    """The page as text.

    Args:
        name: of the store.
    """
    sections = [_section(each, position) for position, each in enumerate(collected, start=1)]
    template = environment().get_template("traffic.html.j2")
    return template.render(title=f"{name} · traffic report", name=name, sections=sections) + "\n"


def _section(own: Collected, position: int) -> dict[str, Any]:
    prefix = f"d{position}"
    records, counts = own.records(), own.summary.statuses
    width, spans = own.timeline.spans()
    clusters = clusters_of(own.flagged.texts())
    findings, warned = _findings(records)
    return {
        "prefix": prefix,
        "name": own.detector.name,
        "decisions": own.summary.rows,
        "period": f"{_moment(own.first)} to {_moment(own.last)}",
        "failed": counts[FAILED],
        "unscored": own.summary.rows - counts[OK] - counts[FAILED],
        "findings": findings,
        "mark": "failed" if counts[FAILED] else "warned" if warned else "complete",
        "shares": [_line(record) for record in records if record.metric in SHARES],
        "drift": [
            _line(record) for record in records if record.metric in TITLES and record.metric not in SHARES
        ],
        "latencies": [_line(record) for record in records if record.metric in LATENCIES],
        "charts": [_chart(own, width, spans, f"{prefix}-t")],
        "span": NAMES[width],
        "spans": [_span(each) for each in spans if each.decisions],
        "scores": _scores(own, f"{prefix}-s"),
        "clusters": [_cluster(each) for each in clusters],
        "flagged": own.flagged,
        "clustered": sum(each.texts for each in clusters),
        "reasons": [(status, reason, rows) for (status, reason), rows in own.summary.reasons.most_common()],
        "ways": [(*way, rows) for way, rows in sorted(own.ways.items())],
        "models": own.models.most_common(SHOWN_MODELS),
        "promises": [each.guarantee for each in own.detector.thresholds],
        "facts": _facts(own),
    }


def _findings(records: Sequence[MetricRecord]) -> tuple[list[str], bool]:
    """The two sentences that come first, and whether one of them is a warning."""
    by_metric = {record.metric: record for record in records}
    flags, moved = by_metric[FLAG_RATE], by_metric[MARTINGALE_P]
    if flags.value is None or moved.value is None:
        return [f"Nothing can be said of flags: {flags.reason}."], True
    params = flags.params or {}
    found = [f"{percent(flags.value)} % of the questions with a score were flagged: {said(asdict(flags))}."]
    tests = [by_metric[name] for name in P_VALUES]
    seen = [each for each in tests if each.value is not None and each.value < ALARM]
    if seen:
        found.append(
            "Scores have moved since calibration, so that the promise may not hold: see the tests of drift below."
        )
    return found, bool(seen) or flags.value > params["expected_high"]


def _line(record: MetricRecord) -> Line:
    title = TITLES.get(record.metric) or LATENCIES[record.metric]
    if record.value is None:
        return Line(title, "–", "", str(record.reason))
    if record.metric in LATENCIES:
        return Line(title, f"{record.value:.3g} s", "", "")
    if record.metric in P_VALUES and record.value < LEAST_P:
        return Line(title, f"< {LEAST_P:g}", "", said(asdict(record)))
    return Line(title, number(record.value), interval(asdict(record)) or "", said(asdict(record)))


def _chart(own: Collected, width: int, spans: Sequence[Span], prefix: str) -> Picture:
    display = FlagRate(
        [each.start for each in spans],
        width,
        [each.scored for each in spans],
        [each.flagged for each in spans],
        promised=own.promised,
    )
    caption = (
        f"A dot a {NAMES[width]}, with its exact 95 % interval; dashed: the share that is promised at most."
    )
    return Picture(inline_svg(display, prefix), caption)


def _scores(own: Collected, prefix: str) -> list[Picture]:
    scores, known = own.scores.rows, own.detector.calibration
    if not len(scores):
        return []
    display = ScoreDistribution(
        np.concatenate([known, scores]),
        np.repeat([False, True], [len(known), len(scores)]),
        scorer=own.detector.scorer,
        id_task="calibration rows",
        ood_task="traffic",
        roles=("", ""),
        threshold=own.detector.thresholds[0].value,
    )
    drawn = "" if own.scores.seen <= len(scores) else f", a sample of {count(len(scores))}"
    caption = (
        f"Scores of the calibration rows and of traffic{drawn}; to the right of the dotted line is flagged."
    )
    return [Picture(inline_svg(display, prefix), caption)]


def _span(span: Span) -> tuple[str, ...]:
    start = f"{span.start:%Y-%m-%d %H:%M}" + (f":{span.start:%S}" if span.start.second else "")
    if not span.scored:
        return start, count(span.decisions), "0", "0", "–", ""
    low, high = clopper_pearson(span.flagged, span.scored, LEVEL)
    return (
        start,
        count(span.decisions),
        count(span.scored),
        count(span.flagged),
        number(span.flagged / span.scored),
        f"{number(float(low))}–{number(float(high))}",
    )


def _cluster(cluster: Cluster) -> Mapping[str, Any]:
    return {
        "decisions": cluster.decisions,
        "texts": cluster.texts,
        "words": cluster.words,
        "examples": [(shorten(each.text), each.decisions) for each in cluster.examples],
    }


def _facts(own: Collected) -> list[tuple[str, str]]:
    detector = own.detector
    return [
        ("Digest", detector.digest),
        ("Fitted on", detector.id_task),
        ("Decides", "before the model answers" if detector.stage == "pre" else "after the model answered"),
        ("Scorers", ", ".join(detector.scorers)),
        ("Calibration rows", count(len(detector.calibration))),
        ("Flags above", str(detector.thresholds[0].value)),
        ("Seed", str(detector.seed)),
    ]


def _moment(time: datetime | None) -> str:
    return "–" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

"""The report's first words: what was asked, how it ended, what came out. Every number is a record's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from llmood.clean import clean
from llmood.displays.auroc_intervals import above_chance, side_of_chance
from llmood.questions.ood_detection import QUESTION
from llmood.report.read import Record, RunFiles
from llmood.report.tables import checks_about
from llmood.report.text import count, interval, number, shown

STATUS_WORDS = {
    "complete": "Complete: everything that was asked for is computed.",
    "partial": "Partial: something is missing from these numbers.",
    "failed": "Failed: don't rely on these numbers.",
    "interrupted": "Interrupted: the same command goes on where it stopped.",
    "running": "Not finished: this run is still going, or was killed. The same command goes on where it stopped.",
}

# When a set counts as found; "How to read these numbers" says so too.
FOUND_AUROC = 0.9
PARTLY_AUROC = 0.75
MOST_FALSE_ALARMS = 0.2


@dataclass(frozen=True)
class Finding:
    """What the first scorer does on one OOD set.

    Attributes:
        samples: how many samples its AUROC was computed on.
        big: its AUROC, shown large.
        tone: `good`, `weak`, `chance`, `backwards` or `undefined`.
        lines: sentences; every number in them is in a `<data>` element with its full value.
    """

    task: str
    shift: str
    severity: int | None
    samples: str
    checks: tuple[int, ...]
    big: Markup
    interval: str | None
    tone: str
    verdict: str
    lines: tuple[Markup, ...]


def status_lines(run: RunFiles) -> list[str]:
    """The status in words, then everything that keeps it from being complete."""
    status = str(run.manifest["status"])
    lines = [STATUS_WORDS.get(status, status)]
    undefined = sum(
        record["value"] is None
        for record in run.records
        if record["question"] == QUESTION and record["scorer"] in run.scorers
    )
    if undefined:
        many = f"{count(undefined)} numbers are undefined; each says why."
        lines.append("1 number is undefined; it says why." if undefined == 1 else many)
    if run.manifest.get("error"):
        lines.append(f"It ended with: {run.manifest['error']}")
    failed = {name: states["failed"] for name, states in run.unscored.items() if "failed" in states}
    if failed:
        worst = max(failed.values())
        lines.append(f"The engine failed on up to {count(worst)} samples a scorer; they are in no metric.")
    rejects = sum(task["rejects"] for task in run.tasks)
    if rejects:
        lines.append(
            f"{count(rejects)} rows could not be read; rejects.jsonl has each with its line and reason."
        )
    lines += [f"{check['title']}: {check['detail']}" for check in run.checks if check["severity"] == "error"]
    if run.missing:
        lines.append(
            f"The run folder has no {', '.join(run.missing)}: what would be made from that is left out."
        )
    return lines


def findings(run: RunFiles) -> list[Finding]:
    """One an OOD set, for the first scorer that was asked for."""
    if not run.scorers:
        return []
    found = (_finding(run, run.scorers[0], task) for task in run.single_ood_tasks)
    return [finding for finding in found if finding is not None]


def _finding(run: RunFiles, scorer: str, task: Record) -> Finding | None:
    record = run.find("auroc", scorer, task["name"])
    if record is None:
        return None
    lines = [
        _flagged(run, scorer, task["name"]),
        _against_best(run, scorer, task["name"]),
        _length(run, task["name"]),
    ]
    tone, verdict = _verdict(run, record)
    return Finding(
        task["name"],
        task["shift"],
        task["severity"],
        _samples(run, task, record),
        checks_about(run, task["name"]),
        _data(record) if record["value"] is not None else Markup("–"),
        interval(record),
        tone,
        verdict,
        tuple(line for line in lines if line is not None),
    )


def _samples(run: RunFiles, task: Record, record: Record) -> str:
    if run.id_task is None or not record["n_unscored"]:
        return f"n = {count(task['evaluated'])}"
    ood = f"{count(record['n_positive'])} of {count(task['evaluated'])} OOD"
    return f"{ood}, {count(record['n_negative'])} of {count(run.id_task['evaluated'])} ID samples scored"


def _verdict(run: RunFiles, record: Record) -> tuple[str, str]:
    value, side = record["value"], side_of_chance(record)
    if value is None:
        return "undefined", f"undefined: {record['reason']}"
    if side == "chance":
        return "chance", "no better than chance"
    if side == "below":
        return "backwards", "ranks this set backwards"
    length = run.find("auroc", "length", record["ood_task"])
    if length and length["value"] is not None and max(length["value"], 1 - length["value"]) >= value:
        return "weak", "length does as well"
    alarms = run.find("fpr_at_95tpr_ood", record["scorer"], record["ood_task"])
    few = alarms is not None and alarms["value"] is not None and alarms["value"] <= MOST_FALSE_ALARMS
    if value >= FOUND_AUROC and few:
        return "good", "found"
    return "weak", "partly found" if value >= PARTLY_AUROC else "hardly found"


def _flagged(run: RunFiles, scorer: str, task: str) -> Markup | None:
    record = run.find("fpr_at_95tpr_ood", scorer, task)
    if record is None or record["value"] is None:
        return None
    return Markup("Flags {} of ID when 95\u00a0% of this set is caught.").format(_data(record))


def _against_best(run: RunFiles, scorer: str, task: str) -> Markup | None:
    behind = run.find("auroc_behind_best", scorer, task)
    own = run.find("auroc", scorer, task)
    if behind is None or own is None or own["value"] is None:
        return None
    if behind["value"] is None:
        return Markup("Against the other scorers: {}.").format(clean(behind["reason"] or "undefined"))
    params: Mapping[str, Any] = behind["params"]
    ties = params["best"] == scorer or params.get("ties_with_best")
    if ties and not above_chance(own):
        return None
    if params["best"] == scorer:
        tied = [
            name for name in run.scorers if name != scorer and _params(run, name, task).get("ties_with_best")
        ]
        if tied:
            return Markup("The best here, tied with {}.").format(_names(tied))
        return Markup("Better than every other scorer here.")
    best = run.find("auroc", params["best"], task)
    leader = _names([params["best"]])
    if best is None or best["value"] is None:
        return None
    if ties:
        return Markup("Ties with the best, {} at {}.").format(leader, _data(best))
    span = interval(behind)
    ahead = Markup("{} [{}]").format(_data(behind), span) if span else _data(behind)
    return Markup("{} is better: {}, ahead by {}.").format(leader, _data(best), ahead)


def _length(run: RunFiles, task: str) -> Markup | None:
    record = run.find("auroc", "length", task)
    if record is None or record["value"] is None:
        return None
    shorter = record["ci_high"] is not None and record["ci_high"] < 0.5
    return Markup("Length alone: {}{}.").format(_data(record), "; OOD is shorter" if shorter else "")


def _params(run: RunFiles, scorer: str, task: str) -> Mapping[str, Any]:
    record = run.find("auroc_behind_best", scorer, task)
    return dict(record["params"]) if record else {}


def _names(names: list[str]) -> Markup:
    listed = [Markup("<code>{}</code>").format(clean(name)) for name in names[:3]]
    more = Markup(" and {} more").format(len(names) - 3) if len(names) > 3 else Markup("")
    return Markup(", ").join(listed) + more


def _data(record: Record) -> Markup:
    """A record's value as shown, with the whole of it for machines."""
    metric, value = record["metric"], record["value"]
    text = number(value) if metric.startswith("auroc") else shown(metric, value)
    return Markup('<data value="{}" title="{}, n = {}">{}</data>').format(value, metric, record["n"], text)

"""Error detection on stdout: how many answers are right in each population, and who finds the wrong ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmood.cli.terminal import print_table, say
from llmood.questions.errors import ACCURACY, QUESTION, judged_by
from llmood.questions.ood_detection import BEHIND_BEST, HEADLINE
from llmood.report.text import number, percent
from llmood.runs import Run
from llmood.scorers.baselines import BASELINES

Record = Mapping[str, Any]


def print_errors(run: Run, records: Sequence[Record]) -> None:
    """A compact table: accuracy, then the AUROC of every scorer with wrong answers positive. Grades are left out."""
    found = {
        (record["metric"], record["scorer"], record["ood_task"] or record["id_task"]): record
        for record in records
        if record["question"] == QUESTION and record["slice"] is None
    }
    if not found:
        return
    tasks = [task for task in run.manifest["tasks"] if not task.get("family")]
    accuracies = [found[ACCURACY, None, task["name"]] for task in tasks]
    rules = dict.fromkeys(record["correctness"] for record in accuracies if record["correctness"])
    scorers = dict.fromkeys(scorer for metric, scorer, _ in found if metric == HEADLINE and scorer)
    say(f"is an answer wrong? (right {' and '.join(map(judged_by, rules))})")
    say("* above chance, and the best of the scorers asked for, or tied with it\n")
    level = f"AUROC of errors [{run.scored_config.bootstrap.level * 100:g}%]"
    titles = [f"{task['name']} ({'ID' if task['population'] == 'id' else task['shift']})" for task in tasks]
    rows = [["right answers", *map(_share, accuracies)]]
    for name in sorted(scorers, key=lambda name: name in BASELINES):
        cells = (_cell(found, name, task["name"]) for task in tasks)
        rows.append([name, *cells])
    print_table([level, *titles], rows)
    for task, record in zip(tasks, accuracies, strict=True):
        for line in _said(found, task["name"], record):
            say(line)
    say()


def _share(record: Record) -> str:
    if record["value"] is None:
        return "–"
    return f"{percent(record['value'])} % of {record['n']}"


def _cell(found: Mapping[tuple[str, str | None, str], Record], scorer: str, task: str) -> str:
    record = found.get((HEADLINE, scorer, task))
    if record is None or record["value"] is None:
        return "–"
    low, high = record["ci_low"], record["ci_high"]
    interval = f" [{number(low)}, {number(high)}]" if low is not None else ""
    behind = found.get((BEHIND_BEST, scorer, task))
    tied = behind is not None and behind["params"].get("ties_with_best", False)
    above = (record["value"] if low is None else low) > 0.5
    return f"{number(record['value'])}{interval}{' *' if tied and above else ''}"


def _said(found: Mapping[tuple[str, str | None, str], Record], task: str, accuracy: Record) -> list[str]:
    """What a population's numbers lack, and why."""
    lines = []
    if accuracy["n_unscored"]:
        reasons = "; ".join(f"{count} {why}" for why, count in accuracy["params"]["not_judged"].items())
        lines.append(f"{task}: {accuracy['n_unscored']} answers could not be judged ({reasons})")
    undefined = dict.fromkeys(
        record["reason"]
        for (metric, _, name), record in found.items()
        if metric == HEADLINE and name == task and record["value"] is None
    )
    return lines + [f"{task}: undefined where {reason}" for reason in undefined]

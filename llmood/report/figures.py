"""Which figures a run's report holds."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from llmood.displays import AurocIntervals, RocCurves, ScoreDistribution
from llmood.report.read import RunFiles
from llmood.report.svg import inline_svg
from llmood.report.text import count


@dataclass(frozen=True)
class Picture:
    """A drawn figure, the words over it and those under it."""

    svg: Markup
    caption: str = ""
    title: str = ""


def overview(run: RunFiles, prefix: str) -> list[Picture]:
    """AUROC and interval of every scorer, a figure an OOD set."""
    found = []
    for position, task in enumerate(run.single_ood_tasks):
        display = AurocIntervals(run.records, ood_task=task["name"])
        if display.auroc:
            found.append(Picture(inline_svg(display, f"{prefix}-a{position}"), title=task["name"]))
    return found


def figures_of(run: RunFiles, ood_task: str, prefix: str) -> list[Picture]:
    """Of one OOD set: score distributions of the first and of the best scorer, and the ROC curves of all."""
    rows, is_ood = run.contrast(ood_task)
    if run.id_task is None or is_ood.all() or not is_ood.any() or not run.scorers:
        return []
    chosen = list(dict.fromkeys((run.scorers[0], best_scorer(run, ood_task))))
    found = []
    for position, scorer in enumerate(chosen):
        distribution = ScoreDistribution(
            run.scores[scorer][rows], is_ood, scorer=scorer, id_task=run.id_task["name"], ood_task=ood_task
        )
        role = "the first scorer asked for" if position == 0 else "the highest AUROC on this set"
        caption = f"{scorer}, {role}." if len(run.scorers) > 1 else f"{scorer}."
        beyond = distribution.beyond()
        if beyond:
            caption += f" {count(beyond)} of {count(len(rows))} scores lie beyond the axis."
        found.append(Picture(inline_svg(distribution, f"{prefix}-d{position}"), caption))
    scores = {name: run.scores[name][rows] for name in run.scorers}
    roc = RocCurves(scores, is_ood, ood_task=ood_task, first=chosen)
    found.append(
        Picture(inline_svg(roc, f"{prefix}-r"), "Up and left is better; the dashed diagonal is chance.")
    )
    return found


def best_scorer(run: RunFiles, ood_task: str) -> str:
    """The scorer with the highest AUROC on this set, among those asked for."""
    for name in run.scorers:
        record = run.find("auroc_behind_best", name, ood_task)
        if record is not None and record["value"] is not None:
            return str(record["params"]["best"])
    return run.scorers[0]

"""Is the separation only one of length?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmood.checks.base import CheckInput, checks
from llmood.questions.populations import Population
from llmood.records import Check
from llmood.scorers.baselines import BASELINES

STRONG = 0.9


@dataclass(frozen=True, slots=True)
class _Separated:
    """An OOD population that length tells from ID: its AUROC, and the best of the scorers asked for."""

    population: Population
    by_length: float
    best: float

    @property
    def strength(self) -> float:
        # Short OOD texts separate as well as long ones do: the direction doesn't matter for the confound.
        return max(self.by_length, 1 - self.by_length)


@checks.register("length_separates")
def length_separates(given: CheckInput) -> Iterator[Check]:
    """Where the number of tokens alone tells ID from OOD, a high AUROC of anything summed over tokens shows little."""
    found = [one for ood in given.scored.ood if (one := _separated(given, ood)) is not None]
    # Of the grades of one shift, the one that length separates best: the others are said with it.
    families: dict[str, list[_Separated]] = {}
    for one in found:
        families.setdefault(one.population.family or one.population.task, []).append(one)
    for several in families.values():
        worst = max(several, key=lambda one: one.strength)
        grades = sorted({one.population.severity or 0 for one in several})
        others = f"; of its family grades {', '.join(map(str, grades))}" if len(several) > 1 else ""
        yield Check(
            code="length_separates",
            severity="warning",
            title="Length alone separates",
            detail=(
                f"The number of tokens alone separates {worst.population.task} (AUROC {worst.strength:.4f}, "
                f"{'longer' if worst.by_length >= 0.5 else 'shorter'} = OOD; the best scorer has {worst.best:.4f}"
                f"{others}) from {given.scored.id.task}."
            ),
            task=worst.population.task,
            values={"length_auroc": worst.by_length, "best_auroc": worst.best},
        )


def _separated(given: CheckInput, ood: Population) -> _Separated | None:
    length = given.record("length", ood.task)
    others = [given.record(name, ood.task) for name in given.scored.scores if name not in BASELINES]
    defined = [float(record["value"]) for record in others if record is not None]
    # What chance alone could have given is no separation, however weak the best scorer is.
    if length is None or not _excludes_chance(length["ci_low"], length["ci_high"]) or not defined:
        return None
    one = _Separated(ood, float(length["value"]), max(defined))
    return one if one.strength >= STRONG or one.strength >= one.best else None


def _excludes_chance(low: float | None, high: float | None) -> bool:
    """Whether an AUROC's interval leaves out one half."""
    return low is not None and high is not None and not low <= 0.5 <= high

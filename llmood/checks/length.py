"""Is the separation only one of length?"""

from __future__ import annotations

from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.records import Check
from llmood.scorers.baselines import BASELINES

STRONG = 0.9


@checks.register("length_separates")
def length_separates(given: CheckInput) -> Iterator[Check]:
    """Where the number of tokens alone tells ID from OOD, a high AUROC of anything summed over tokens shows little."""
    for population in given.scored.ood:
        by_length = given.value("length", population.task)
        others = [given.value(name, population.task) for name in given.scored.scores if name not in BASELINES]
        defined = [value for value in others if value is not None]
        if by_length is None or not defined:
            continue
        # Short OOD texts separate as well as long ones do: the direction doesn't matter for the confound.
        strength, best = max(by_length, 1 - by_length), max(defined)
        if strength >= STRONG or strength >= best:
            yield Check(
                code="length_separates",
                severity="warning",
                title="Length alone separates",
                detail=(
                    f"The number of tokens alone separates {population.task} from {given.scored.id.task} "
                    f"with an AUROC of {strength:.4f} ({'longer' if by_length >= 0.5 else 'shorter'} = OOD); "
                    f"the best scorer has {best:.4f}."
                ),
                task=population.task,
                values={"length_auroc": by_length, "best_auroc": best},
            )

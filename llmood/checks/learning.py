"""What did the scorers that learn make of the rows that they were given?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmood.checks.base import CheckInput, checks
from llmood.measures.mahalanobis import Gaussians
from llmood.records import Check
from llmood.scorers.on_adapter import OnAdapter

ILL_CONDITIONED = 1e12
"""From here on, float64 leaves four digits or fewer of a distance's."""


@checks.register("nothing_learned")
def nothing_learned(given: CheckInput) -> Iterator[Check]:
    """A scorer that could learn nothing scores nothing; a table without it looks as if nobody had asked for it."""
    for name, scorer in _learned(given):
        reason = getattr(scorer, "unfit_", None)
        if reason is not None:
            detail = f"{name} scores nothing: {reason}."
            yield Check("nothing_learned", "warning", "Nothing was learned", detail, values={"scorer": name})


@checks.register("condition_number")
def condition_number(given: CheckInput) -> Iterator[Check]:
    """How far apart a covariance's directions are in size, by which a distance's rounding grows."""
    for name, scorer in _learned(given):
        if getattr(scorer, "unfit_", None) is not None:
            continue
        number = getattr(scorer, "condition_number_", None)
        if number is not None:
            shrunk = f", and is shrunk by {scorer.shrinkage_:.3g} towards equal variances"
            yield _condition(f"covariance behind {name}", shrunk, name, number, shrinkage=scorer.shrinkage_)
        background = getattr(scorer, "background_", None)
        if isinstance(background, Gaussians):
            whole = f"covariance of the background of {name}"
            yield _condition(whole, "", name, background.condition_number, of="background")


def _condition(what: str, more: str, scorer: str, number: float, **values: Any) -> Check:
    bad = number >= ILL_CONDITIONED
    return Check(
        "condition_number",
        "warning" if bad else "info",
        "A covariance is nearly singular" if bad else "Covariances",
        f"The {what} has the condition number {number:.3g}{more}.",
        values={"scorer": scorer, "condition_number": number, **values},
    )


def _learned(given: CheckInput) -> Iterator[tuple[str, Any]]:
    for name, scorer in given.scorers.items():
        if scorer.fitted_on is not None:
            yield name, scorer.scorer if isinstance(scorer, OnAdapter) else scorer

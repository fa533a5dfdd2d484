"""A scorer that reads another adapter in place of the first: how far do its scores depend on one tuning run?"""

from __future__ import annotations

from llmood.scorers.base import Scorer
from llmood.scorers.elsewhere import Elsewhere

BETWEEN = "@"


def name_on(scorer: str, role: str) -> str:
    """What a scorer is called on another adapter: `likelihood_ratio@tuned:1`."""
    return f"{scorer}{BETWEEN}{role}"


def is_on_adapter(name: str) -> bool:
    """Whether a name is that of a scorer on another adapter than the first."""
    return BETWEEN in name


def reads_adapter(scorer: Scorer) -> bool:
    """Whether a scorer's numbers depend on the tuned model, and can be had of another one.

    What learns from which answers are right can't: only the first adapter's are judged.
    """
    return not scorer.reads_correctness and any(
        spec.model == "tuned" or spec.needs_response for spec in (*scorer.needs, *scorer.fit_needs)
    )


class OnAdapter(Elsewhere):
    """Another scorer, with `role` for `tuned`.

    Args:
        scorer: the scorer on the first adapter; a copy of it is fitted.
        role: `tuned:1`, …
    """

    def __init__(self, *, scorer: Scorer, role: str) -> None:
        super().__init__(scorer, lambda spec: spec.on_adapter(role))
        self.role = role

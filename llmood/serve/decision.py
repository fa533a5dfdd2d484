"""What is asked of a guard, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmood.detector.content import ANSWER
from llmood.events.event import Action, Source
from llmood.records import OK, Status
from llmood.serve.settings import Policy

OWN = ("row", "score", "p_value", "flag", "confidence", "status", "reason")


@dataclass(frozen=True, slots=True)
class Asked:
    """One record to be decided on.

    Attributes:
        source: where it came in.
        model: that the client named, at the proxy.
        arrived: `time.monotonic()` when the request came.
        is_kept: whether its decision is one that somebody acts by; else it goes into no store and no count.
    """

    record: Mapping[str, Any]
    source: Source
    request_id: str
    arrived: float
    model: str | None = None
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and what follows from it.

    Attributes:
        answers: by the name of a promise about answers, whether it lets this one be given.
        parts: the score of each scorer.
        action: `scored` where only a score was asked for, else `passed` or `refused`.
    """

    event_id: str
    status: Status
    reason: str | None
    action: Action
    score: float | None = None
    p_value: float | None = None
    flag: bool | None = None
    confidence: float | None = None
    answers: Mapping[str, bool | None] = field(default_factory=dict)
    parts: Mapping[str, float | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """With the names that `llmood score` gives its columns."""
        return {
            "id": self.event_id,
            "score": self.score,
            "p_value": self.p_value,
            "flag": self.flag,
            **self.answers,
            "confidence": self.confidence,
            "status": self.status,
            "reason": self.reason,
            "action": self.action,
            "parts": dict(self.parts),
        }


def decision_of(event_id: str, verdict: Mapping[str, Any], source: Source, policy: Policy) -> Decision:
    """The decision that follows from a row of `Verdicts`."""
    answers = {name: value for name, value in verdict.items() if name.startswith(ANSWER)}
    return Decision(
        event_id,
        verdict["status"],
        verdict["reason"],
        action_of(source, policy, verdict["status"], verdict["flag"], answers),
        verdict["score"],
        verdict["p_value"],
        verdict["flag"],
        verdict["confidence"],
        answers,
        {name: value for name, value in verdict.items() if name not in OWN and name not in answers},
    )


def action_of(
    source: Source, policy: Policy, status: Status, flag: bool | None, answers: Mapping[str, bool | None]
) -> Action:
    """What becomes of a question, or of its answer."""
    if source == "score":
        return "scored"
    if status != OK:
        return "passed" if policy.on_failure == "open" else "refused"
    is_wary = bool(flag) or not all(answers.values())
    return "refused" if is_wary and policy.on_flag == "refuse" else "passed"

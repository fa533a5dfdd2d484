"""What becomes of a question at the proxy, also where no score could be had."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from llmood.errors import LlmoodError, StoreError
from llmood.records import FAILED
from llmood.serve.answers import RequestError, busy, closing
from llmood.serve.batcher import ClosedError, FullError
from llmood.serve.decision import Asked, Decision, action_of
from llmood.serve.guard import Guard

UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision that counts for a request.

    Attributes:
        is_recorded: whether it is on disk.
    """

    decision: Decision
    is_recorded: bool = True

    @property
    def is_refused(self) -> bool:
        """Whether the operator's message is answered."""
        return self.decision.action == "refused"

    def headers(self) -> dict[str, str]:
        """As every answer shows it, a stream's too."""
        own = self.decision
        numbers = {"x-llmood-score": own.score, "x-llmood-p-value": own.p_value}
        return {
            "x-llmood-id": own.event_id,
            "x-llmood-flag": "unknown" if own.flag is None else str(own.flag).lower(),
            **{name: repr(value) for name, value in numbers.items() if value is not None},
            "x-llmood-action": own.action,
            "x-llmood-status": own.status if self.is_recorded else UNRECORDED,
        }


def wariest(decisions: Sequence[Decision]) -> Decision:
    """Of several decisions on one request, the one that counts."""
    return max(decisions, key=_wariness)


def _wariness(decision: Decision) -> tuple[bool, bool, bool, float]:
    likely = 1.0 if decision.p_value is None else decision.p_value
    return decision.action == "refused", decision.flag is True, decision.flag is None, -likely


async def outcome_of(guard: Guard, asked: Sequence[Asked]) -> Outcome:
    """What becomes of a request that asks this; the decisions are on disk, or it is said that they aren't.

    Raises:
        RequestError: no score can be had now and later may, and the policy lets nothing pass without.
    """
    is_open = guard.policy.on_failure == "open"
    try:
        lacks = guard.lacks
        if lacks is None:
            return Outcome(wariest(await guard.decide(asked)))
        reason = lacks
        if not is_open:
            raise RequestError(503, lacks, "not_ready", {"Retry-After": "5"})
    except FullError as error:
        reason = "the queue was full"
        if not is_open:
            raise busy(error.retry_after) from None
    except ClosedError:
        raise closing() from None
    except TimeoutError:
        reason = "no score could be had in time"
    except LlmoodError as error:  # its message may name files: that is for the log
        guard.complain(str(error))
        reason = "no score could be had or kept"
    return await failed(guard, asked, reason)


async def failed(guard: Guard, asked: Sequence[Asked], reason: str) -> Outcome:
    """What becomes of a request without a score."""
    keeping = [asyncio.create_task(guard.keep_failure(each, reason)) for each in asked]
    try:
        return Outcome(wariest(await asyncio.gather(*keeping)))
    except StoreError as error:
        guard.complain(f"{UNRECORDED}: {error}")
        await asyncio.wait(keeping)
        action = action_of(asked[0].source, guard.policy, FAILED, None, {})
        return Outcome(Decision(uuid.uuid4().hex, FAILED, f"{UNRECORDED}: {reason}", action), False)

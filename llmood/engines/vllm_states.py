"""Hidden states as the engine on vLLM captures them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmood.engines.base import Captured, Request
from llmood.engines.states import States, captured_states
from llmood.records import FAILED

if TYPE_CHECKING:
    from llmood.engines.models.vllm_model import VllmModel


def capture_states(
    model: VllmModel,
    states: States,
    requests: Sequence[Request],
    rows: Sequence[Sequence[int]],
    adapters: Sequence[str | None],
) -> list[Captured]:
    """Run a window of requests, sent as `rows`; results in their order."""
    from llmood.engines.models.vllm_states import states_of_rows

    found = states_of_rows(
        model,
        rows,
        adapters,
        states.layers,
        [states.ranges(request.spans) for request in requests],
        depth=states.depth,
    )
    return [
        Captured(status=FAILED, reason=values)
        if isinstance(values, str)
        else captured_states(values, states, request.spans)
        for values, request in zip(found, requests, strict=True)
    ]

"""Early exits: log-probabilities that a model's head reads off a lower layer (`prompt_logprobs`, parameter `exit`)."""

from __future__ import annotations

from llmood.records import CaptureSpec

EXIT = "exit"
NO_EXITS = "it reads no early exits, only what the whole model says"


def exit_of(spec: CaptureSpec) -> str | None:
    """The layer that a capture's log-probabilities are read off, as it was named; None: the whole model's.

    As text, since 1 is the first block and 1.0 the last one.
    """
    named = dict(spec.params).get(EXIT)
    return None if named is None else str(named)

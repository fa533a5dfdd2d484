"""What a model's upper layers add to a text's likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from llmood.engines.exits import EXIT
from llmood.engines.observations import Block
from llmood.measures.early_exit import early_exit_likelihood_ratio
from llmood.records import OK, CaptureSpec, Scores
from llmood.scorers.base import Scorer, register, with_reasons
from llmood.scorers.spans import Target, capture_of, status_of, target_start, token_column, variants
from llmood.scorers.states import Layer, check_layer

UNDEFINED = "no token to predict, or the model and its exit gave probability zero"


@register("early_exit_ratio", variants(base=True, mean=True))
class EarlyExitRatio(Scorer):
    """log p of the whole model − log p read off a lower layer, summed (or averaged) over the text's tokens.

    Formula: `measures.early_exit.early_exit_likelihood_ratio`, which is ours, inspired by LLR^{>k} (Havtorn et al.,
    "Hierarchical VAEs Know What They Don't Know", ICML 2021). The model's own final norm and head read the exit, which
    they were never trained to. It takes a second forward pass. Its sign is that of LLR^{>k}: what a small model was
    tuned on may need its upper layers most, and then the order is the other way round (it is on the demo).

    Args:
        model: the role that reads it, `tuned` or `base`.
        target: what is summed.
        mean: per token.
        exit: the layer that is read off, as `hidden_states.layers` names one: 6, -1, 0.5 (of the depth).
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"prompt_logprobs": ["logprobs", "spans"]}

    def __init__(
        self,
        *,
        model: str = "tuned",
        target: Target = "prompt",
        mean: bool = False,
        exit: Layer = 0.5,  # noqa: A002 - what users write
    ) -> None:
        check_layer("exit", exit)
        self.model = model
        self.target = target
        self.mean = mean
        self.exit = exit

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (
            capture_of(self.model, self.target),
            capture_of(self.model, self.target, **{EXIT: str(self.exit)}),
        )

    @property
    def definition(self) -> str | None:
        return f"exit at layer {self.exit}"

    def score(self, block: Block) -> Scores:
        status, reasons = status_of(block, *self.needs)
        both = np.array([state == OK for state in status], dtype=bool)
        whole, early = (block[spec].filter(pa.array(both)) for spec in self.needs)
        full, offsets = token_column(whole, "logprobs")
        lower, _ = token_column(early, "logprobs")
        values = np.full(len(block), np.nan)
        start = target_start(whole, self.target)
        values[both] = early_exit_likelihood_ratio(full, lower, offsets, start, mean=self.mean)
        return with_reasons(values, status, reasons, UNDEFINED)

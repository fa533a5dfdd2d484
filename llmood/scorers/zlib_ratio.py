"""How unlikely a model finds a text beside what a compressor without a model makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from llmood.engines.observations import Block
from llmood.measures.compression import compressed_length
from llmood.measures.token_statistics import negative_log_likelihood
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, register, with_reasons
from llmood.scorers.likelihood import NO_TOKENS
from llmood.scorers.spans import capture_of, log_likelihood, status_of
from llmood.scorers.text import texts_of

BITS = 1 / np.log(2)  # of a natural logarithm


@register(
    "zlib_ratio",
    {
        "": {"model": "tuned", "mean": False},
        ".mean": {"model": "tuned", "mean": True},
        ".base": {"model": "base", "mean": False},
        ".base.mean": {"model": "base", "mean": True},
    },
)
class ZlibRatio(Scorer):
    """Bits that the model needs for the prompt, over the bits that raw deflate needs: repetitive text is easy for both.

    Carlini et al., "Extracting Training Data from Large Language Models" (USENIX Security 2021), there a test of
    what a model has memorised. The source divides the mean negative log-likelihood a token, which is `.mean`: over a
    whole text's compressed length, it falls with length. The sum over the same length doesn't.

    Args:
        model: the role that reads it, `tuned` or `base`.
        mean: the likelihood per token, as in the source.
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"prompt_logprobs": ["logprobs"]}
    reads_text: ClassVar[bool] = True

    def __init__(self, *, model: str = "tuned", mean: bool = False) -> None:
        self.model = model
        self.mean = mean

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (capture_of(self.model, "prompt"),)

    def score(self, block: Block) -> Scores:
        total, tokens = log_likelihood(block, self.model, "prompt")
        texts, unread = texts_of(block.samples)
        lengths = np.array([8 * compressed_length(text.encode()) for text in texts], dtype=np.float64)
        values = negative_log_likelihood(total, tokens, mean=self.mean) * BITS / lengths
        values[[reason is not None for reason in unread]] = np.nan
        found = with_reasons(values, *status_of(block, *self.needs), NO_TOKENS)
        reasons = [
            missing if reason == NO_TOKENS and missing else reason
            for missing, reason in zip(unread, found.reasons, strict=True)
        ]
        return Scores(found.values, reasons)

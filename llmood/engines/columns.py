"""From what a model gave to the columns of its capture; a number that is none is a failure, never a value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import Captured, Tokenizer
from llmood.records import FAILED

NOT_A_NUMBER = Captured(status=FAILED, reason="the model gave a log-probability that is not a number")


def logprobs_of(values: NDArray[np.float32]) -> Captured:
    """Log-probabilities of the tokens after the first."""
    if np.isnan(values).any():
        return NOT_A_NUMBER
    return Captured({"logprobs": [None, *values.tolist()]})


def moments_of(values: NDArray[np.float32]) -> Captured:
    """Mean and standard deviation (n, 2) at the tokens after the first."""
    if np.isnan(values).any():
        return NOT_A_NUMBER
    mean, std = values.T.tolist()
    return Captured({"logprob_mean": [None, *mean], "logprob_std": [None, *std]})


def response_of(ids: list[int], logprobs: list[float], tokenizer: Tokenizer) -> Captured:
    """An answer's tokens, the end token with them."""
    if np.isnan(logprobs).any():
        return NOT_A_NUMBER
    finish = "stop" if ids and ids[-1] in tokenizer.end_ids else "length"
    return Captured({"text": tokenizer.decode(ids), "token_ids": ids, "logprobs": logprobs, "finish": finish})

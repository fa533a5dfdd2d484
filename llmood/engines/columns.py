"""From what a model gave to the columns of its capture; a number that is none is a failure, never a value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import Captured, Tokenizer
from llmood.engines.decoding import Answer, Decoding
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


def draws_of(answers: Sequence[Answer], decoding: Decoding, tokenizer: Tokenizer) -> Captured:
    """Several answers to one request; `residual_mass` is the probability that the kept alternatives leave."""
    rows = []
    for answer in answers:
        one = response_of(answer.ids, answer.logprobs, tokenizer)
        if one.status == FAILED:
            return one
        row = {
            **one.values,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "seed": answer.seed,
        }
        if decoding.alternatives:
            kept = [float(np.exp(np.array(each, np.float64)).sum()) for each in answer.top_logprobs]
            row |= {
                "top_ids": [list(each) for each in answer.top_ids],
                "top_logprobs": [list(each) for each in answer.top_logprobs],
                "residual_mass": [max(0.0, 1.0 - mass) for mass in kept],
            }
        rows.append(row)
    return Captured(draws=rows)

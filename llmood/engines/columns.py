"""From what a model gave to the columns of its capture; a number that is none is a failure, never a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.engines.base import PICTURE, Captured, Tokenizer
from llmood.engines.decoding import STATISTICS, Answer, Decoding, NextToken
from llmood.engines.pictures import PictureTokenizer
from llmood.records import FAILED, UNSCORED, CaptureSpec

NOT_A_NUMBER = Captured(status=FAILED, reason="the model gave a log-probability that is not a number")


def logprobs_of(values: NDArray[np.float32]) -> Captured:
    """Log-probabilities of the tokens after the first."""
    if np.isnan(values).any():
        return NOT_A_NUMBER
    return Captured({"logprobs": [None, *values.tolist()]})


def without_pictures(captured: Captured, spans: Sequence[tuple[str, int, int]]) -> Captured:
    """Columns of a value a token, null at the places of pictures: what stands for one is no text, nobody wrote it."""
    if captured.status == FAILED or not any(name == PICTURE for name, *_ in spans):
        return captured
    columns = {column: list(values) for column, values in captured.values.items()}
    for name, start, end in spans:
        if name == PICTURE:
            for values in columns.values():
                values[start:end] = [None] * (end - start)
    return Captured(columns)


def embedding_of(vector: NDArray[np.float32], tokens: int) -> Captured:
    """A vector of what was read, and how many tokens that has."""
    if not np.isfinite(vector).all():
        return Captured(status=FAILED, reason="the model gave a number that is not finite")
    return Captured({"vector": vector, "tokens": tokens})


def moments_of(values: NDArray[np.float32]) -> Captured:
    """Mean and standard deviation (n, 2) at the tokens after the first."""
    if np.isnan(values).any():
        return NOT_A_NUMBER
    mean, std = values.T.tolist()
    return Captured({"logprob_mean": [None, *mean], "logprob_std": [None, *std]})


def response_of(answer: Answer, decoding: Decoding, tokenizer: Tokenizer) -> Captured:
    """An answer's tokens, the end token with them; `residual_mass` is what the kept alternatives leave."""
    ids = answer.ids
    entropy = [] if answer.entropy is None else answer.entropy
    statistics = [value for each in answer.statistics for value in each]
    if np.isnan([*answer.logprobs, *entropy, *statistics]).any():
        return NOT_A_NUMBER
    finish = "stop" if ids and ids[-1] in tokenizer.end_ids else "length"
    row: dict[str, Any] = {
        "text": tokenizer.decode(ids),
        "token_ids": ids,
        "logprobs": answer.logprobs,
        "finish": finish,
    }
    if answer.entropy is not None:
        row["entropy"] = list(entropy)
    if decoding.statistics:
        row |= {name: [each[at] for each in answer.statistics] for at, name in enumerate(STATISTICS)}
    if decoding.alternatives:
        row |= {
            "top_ids": [list(each) for each in answer.top_ids],
            "top_logprobs": [list(each) for each in answer.top_logprobs],
            "residual_mass": [residual_mass(each) for each in answer.top_logprobs],
        }
    return Captured(row)


def residual_mass(logprobs: Sequence[float]) -> float:
    """The probability that these leave to all others."""
    return max(0.0, 1.0 - float(np.exp(np.array(logprobs, np.float64)).sum()))


def draws_of(answers: Sequence[Answer], decoding: Decoding, tokenizer: Tokenizer) -> Captured:
    """Several answers to one request."""
    rows = []
    for answer in answers:
        one = response_of(answer, decoding, tokenizer)
        if one.status == FAILED:
            return one
        settings = {"temperature": decoding.temperature, "top_p": decoding.top_p, "seed": answer.seed}
        rows.append({**one.values, **settings})
    return Captured(draws=rows)


def next_token_of(found: NextToken, label_ids: Sequence[int]) -> Captured:
    """The distribution after a prompt."""
    known = [] if found.entropy is None else [found.entropy]
    if np.isnan([*found.top_logprobs, *known, *found.label_logits]).any():
        return NOT_A_NUMBER
    row: dict[str, Any] = {
        "top_ids": list(found.top_ids),
        "top_logprobs": list(found.top_logprobs),
        "residual_mass": residual_mass(found.top_logprobs),
        "entropy": found.entropy,
    }
    if label_ids:
        row |= {"label_ids": list(label_ids), "label_logits": list(found.label_logits)}
    return Captured(row)


def answers_of(
    spec: CaptureSpec, answers: Sequence[Answer], decoding: Decoding, tokenizer: Tokenizer
) -> Captured:
    """What is recorded of a request's answers; of a response nothing where it holds a picture's own token."""
    if spec.kind == "generations":
        return draws_of(answers, decoding, tokenizer)
    if isinstance(tokenizer, PictureTokenizer) and tokenizer.image_token_id in answers[0].ids:
        # Models read a response again, and would look for the picture of that token. Of draws words alone are read.
        reason = f"the model's answer holds {tokenizer.image_token}, which stands for a picture"
        return Captured(status=UNSCORED, reason=reason)
    return response_of(answers[0], decoding, tokenizer)

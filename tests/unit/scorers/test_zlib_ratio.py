"""The ratio of two code lengths, by hand."""

from __future__ import annotations

import zlib
from math import log

import numpy as np
import pyarrow as pa

from llmood.engines.observations import Block
from llmood.scorers.base import scorers
from llmood.tables import CAPTURE_SCHEMAS

TEXTS = ["what is the time", "aaaaaaaaaaaaaaaa", " ", None, "a"]
LOGPROBS = [[None, -3.0, -5.0], [None, -3.0, -5.0], [None, -1.0], [None, -1.0], [None]]


def block(spec: object) -> Block:
    rows = [{"key": "k", "status": "ok", "logprobs": values} for values in LOGPROBS]
    table = pa.Table.from_pylist(rows, schema=CAPTURE_SCHEMAS["prompt_logprobs"])
    samples = pa.table({"sample_id": list("abcde"), "prompt": pa.array(TEXTS, pa.string())})
    return Block(np.arange(len(TEXTS)), samples, {spec: table})  # type: ignore[dict-item]


def test_bits_of_the_model_over_bits_of_deflate() -> None:
    for name, tokens in (
        ("zlib_ratio", 1),
        ("zlib_ratio.base", 1),
        ("zlib_ratio.mean", 2),
        ("zlib_ratio.base.mean", 2),
    ):
        scorer = scorers.get(name).make()
        found = scorer.score(block(scorer.needs[0]))
        # Raw deflate is zlib's format less two bytes of header and four of check sum.
        expected = [
            8.0 / log(2) / tokens / (8 * (len(zlib.compress(text.encode(), 9)) - 6)) for text in TEXTS[:2]
        ]  # type: ignore[union-attr]
        np.testing.assert_allclose(found.values, [*expected, np.nan, np.nan, np.nan])
        assert found.values[1] > found.values[0]  # as unlikely, and it repeats itself
        assert found.reasons == [
            None,
            None,
            "the text is blank",
            "the run keeps no text",
            "one token: nothing to predict",
        ]

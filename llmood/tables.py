"""The files' columns, each with its schema version."""

from __future__ import annotations

import pyarrow as pa

from llmood.table_files import atomic, read_table, write_json, write_table, write_text


def _schema(name: str, version: int, *fields: tuple[str, pa.DataType]) -> pa.Schema:
    # The version rises when a column changes its meaning or goes; one that is added is null in older files.
    return pa.schema(list(fields), metadata={"llmood.schema": name, "llmood.schema_version": str(version)})


SAMPLES = _schema(
    "samples",
    1,
    ("sample_id", pa.string()),
    ("task", pa.string()),
    ("population", pa.string()),
    ("split", pa.string()),
    ("shift", pa.string()),
    ("severity", pa.int16()),
    ("domain", pa.string()),
    ("label", pa.string()),
    ("group", pa.string()),
    ("parent_id", pa.string()),
    ("language", pa.string()),
    ("messages", pa.string()),
    ("prompt", pa.string()),
    ("prompt_hash", pa.string()),
    ("references", pa.list_(pa.string())),
    ("choices", pa.list_(pa.string())),
    ("images", pa.list_(pa.string())),
    # How many raters were for each answer, without which; empty where nobody was asked.
    ("votes", pa.list_(pa.int32())),
    ("meta", pa.string()),
    ("source_line", pa.string()),
    ("prompt_tokens", pa.int32()),
)

SCORES = _schema(
    "scores",
    1,
    ("sample_id", pa.string()),
    ("scorer", pa.string()),
    ("score", pa.float64()),
    ("status", pa.string()),
    ("reason", pa.string()),
    ("fitted_on", pa.string()),
    # What decides a scorer's numbers and its name leaves open: when two answers say the same, say.
    ("definition", pa.string()),
)

MODALITY = "modality.parquet"
# As `scores.parquet`, of the samples under a control: a part of the input, or with another picture.
PART_SCORES = _schema(
    "modality", 1, ("control", pa.string()), *((field.name, field.type) for field in SCORES)
)

CALIBRATED = "calibration.parquet"
"""The scores of the `calibration` rows, in the columns of `scores.parquet`."""

CONFIDENCES = "calibrators.json"
"""Each scorer's calibrators as they were fitted: what makes confidences of `scores.parquet`."""

JUDGED = "correctness.parquet"
# Whether the tuned model's answers are right. `response` is the answer's key in the store, `draw` −1 the greedy one.
CORRECTNESS = _schema(
    "correctness",
    1,
    ("sample_id", pa.string()),
    ("rule", pa.string()),
    ("correct", pa.bool_()),
    ("quality", pa.float64()),
    ("status", pa.string()),
    ("reason", pa.string()),
    ("response", pa.string()),
    ("draw", pa.int16()),
    ("finish", pa.string()),
)

INDEX = _schema(
    "observation_index",
    1,
    ("sample_id", pa.string()),
    ("capture", pa.string()),
    ("key", pa.string()),
    ("shard", pa.string()),
    ("row", pa.int32()),
    ("status", pa.string()),
    ("reason", pa.string()),
    # Which of several answers to one prompt, from 0; null where there is but one.
    ("draw", pa.int16()),
)

SPAN = pa.struct([("name", pa.string()), ("start", pa.int32()), ("end", pa.int32())])

_OUTCOME = (("key", pa.string()), ("status", pa.string()), ("reason", pa.string()))

# An answer: of `response` the one that a run looks at, of `generations` a row for each draw.
_ANSWER = (
    ("text", pa.string()),
    ("token_ids", pa.list_(pa.int32())),
    ("logprobs", pa.list_(pa.float32())),
    ("finish", pa.string()),
    ("temperature", pa.float32()),
    ("top_p", pa.float32()),
    ("seed", pa.int64()),
    # Null unless an engine knows them: of each token, the entropy over the vocabulary (exact only) and the
    # likeliest tokens, with what probability they leave.
    ("entropy", pa.list_(pa.float32())),
    ("top_ids", pa.list_(pa.list_(pa.int32()))),
    ("top_logprobs", pa.list_(pa.list_(pa.float32()))),
    ("residual_mass", pa.list_(pa.float32())),
    # Null unless they are asked for: how far each token's distribution is from the uniform one, higher = farther.
    ("self_certainty", pa.list_(pa.float32())),
    ("renyi", pa.list_(pa.float32())),
    ("fisher_rao", pa.list_(pa.float32())),
)

# What the store holds of each kind. The sample's own columns (sample_id, model, target, draw) are joined from
# the run's index: one stored observation serves every sample and run with the same content.
CAPTURE_SCHEMAS: dict[str, pa.Schema] = {
    "prompt_logprobs": _schema(
        "prompt_logprobs",
        1,
        *_OUTCOME,
        ("token_ids", pa.list_(pa.int32())),
        ("logprobs", pa.list_(pa.float32())),
        ("spans", pa.list_(SPAN)),
    ),
    # Of each token, mean and standard deviation of log p over the vocabulary, under p.
    "prompt_moments": _schema(
        "prompt_moments",
        1,
        *_OUTCOME,
        ("token_ids", pa.list_(pa.int32())),
        ("logprob_mean", pa.list_(pa.float32())),
        ("logprob_std", pa.list_(pa.float32())),
        ("spans", pa.list_(SPAN)),
    ),
    # The distribution after the prompt; logits are of the labels' first tokens, where labels are named.
    "next_token": _schema(
        "next_token",
        1,
        *_OUTCOME,
        ("top_ids", pa.list_(pa.int32())),
        ("top_logprobs", pa.list_(pa.float32())),
        ("residual_mass", pa.float32()),
        ("entropy", pa.float32()),
        ("label_ids", pa.list_(pa.int32())),
        ("label_logits", pa.list_(pa.float32())),
    ),
    "response": _schema("response", 1, *_OUTCOME, *_ANSWER),
    "generations": _schema("generations", 1, *_OUTCOME, *_ANSWER),
    # Of which layers and positions the states are; they themselves are in the file beside, where `shard` is its seal
    # and `row` their row. `token_index` belongs to `position`; null: the mean over a span.
    "hidden_states": _schema(
        "hidden_states",
        1,
        *_OUTCOME,
        ("layer", pa.list_(pa.int16())),
        ("position", pa.list_(pa.string())),
        ("token_index", pa.list_(pa.int32())),
        ("depth", pa.int16()),
        ("shard", pa.string()),
        ("row", pa.int32()),
        ("dim", pa.int32()),
        ("dtype", pa.string()),
    ),
    # Of each layer and head that it names, one number a token of the answer; `previous`: what each token but the first
    # pays to the one before it. Layers are counted from 1, the first block.
    "attention": _schema(
        "attention",
        1,
        *_OUTCOME,
        ("layer", pa.list_(pa.int16())),
        ("head", pa.list_(pa.int16())),
        ("statistic", pa.string()),
        ("values", pa.list_(pa.list_(pa.float32()))),
    ),
    # Of a sample's draws: the number of the cluster that each is in (null: it says nothing); and, where all pairs were
    # compared, how far each (row) contradicts or entails each (column), draws × draws. Of `pairs=answer`, cluster 0 is
    # the given answer's, and the matrices are 2 × draws: there from the answer, and back. `relevance`: of each answer,
    # how much each token matters. `support`: sentences × draws, how far a draw supports the sentence; `sentence`: whose
    # each is. `claim_logprobs`: of each token of the answer, log p of what it claims among what else would be claimed.
    # `covariance`: draws × draws, over the dimensions of what an encoder makes of each.
    "equivalence": _schema(
        "equivalence",
        1,
        *_OUTCOME,
        ("cluster", pa.list_(pa.int16())),
        ("contradiction", pa.list_(pa.float32())),
        ("entailment", pa.list_(pa.float32())),
        ("relevance", pa.list_(pa.list_(pa.float32()))),
        ("support", pa.list_(pa.float32())),
        ("sentence", pa.list_(pa.int16())),
        ("claim_logprobs", pa.list_(pa.float32())),
        ("covariance", pa.list_(pa.float64())),
    ),
    # What an encoder made of a sample, of length 1, and how many tokens its whole text is to that; or the mean of what
    # a model's eye made of its pictures, and how many tokens stand for them.
    "embedding": _schema(
        "embedding", 1, *_OUTCOME, ("vector", pa.list_(pa.float32())), ("tokens", pa.int32())
    ),
    # What an inference model said of a pair of texts: contradiction, neutral, entailment. Of a judge: that they say
    # something else, 0, and that they say the same.
    "nli": _schema("nli", 1, *_OUTCOME, ("probabilities", pa.list_(pa.float32(), 3))),
}

# The kinds of which a sample may have several rows, told apart by the index's `draw`.
SEVERAL_ROWS = frozenset({"generations"})

__all__ = [
    "CALIBRATED",
    "CAPTURE_SCHEMAS",
    "CONFIDENCES",
    "CORRECTNESS",
    "INDEX",
    "JUDGED",
    "SAMPLES",
    "SCORES",
    "SEVERAL_ROWS",
    "SPAN",
    "atomic",
    "read_table",
    "write_json",
    "write_table",
    "write_text",
]

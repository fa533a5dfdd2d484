"""From answers and rules to the table of `correctness.parquet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from llmood.engines.observations import Observations
from llmood.judging.asked import Asked, Reply, answers_spec
from llmood.judging.base import Known
from llmood.judging.choose import Judging
from llmood.records import BACKGROUND, EVALUATED, FAILED, OK, UNSCORED, CaptureSpec
from llmood.tables import CORRECTNESS

NO_LABEL = "no label"
GREEDY = -1
NOBODY = Asked()
READ = ["sample_id", "task", "split", "references", "choices", "label"]  # of each sample


def judge_answers(
    judging: Judging | None,
    observations: Observations,
    answers: Mapping[str, str] | None = None,
    asked: Asked = NOBODY,
) -> pa.Table | None:
    """A row for each sample that was answered, in the samples' order; None where nothing is judged.

    A sample that can't be judged has its status and reason: no reference, no answer, an engine that failed.

    Args:
        observations: of all splits.
        answers: sample id → its answer, where the store keeps no text.
        asked: what models said of the answers, for a rule that asks one.
    """
    if judging is None:
        return None
    spec = answers_spec(observations)
    if judging.labels is not None:
        rows = _labelled(judging, observations, spec)
    elif spec is None:
        return None
    else:
        judged = {row["sample_id"]: row for row in _ruled(judging, observations, spec, answers, asked)}
        ids = observations.samples["sample_id"].to_pylist()
        rows = [judged[sample_id] for sample_id in ids if sample_id in judged]
    return pa.Table.from_pylist(rows, schema=CORRECTNESS)


def _ruled(
    judging: Judging,
    observations: Observations,
    spec: CaptureSpec,
    answers: Mapping[str, str] | None,
    asked: Asked,
) -> Iterator[dict[str, Any]]:
    keys = observations.keys(spec)
    for block in observations.blocks([spec], {"response": ["text", "finish"]}):
        for sample, found in zip(
            block.samples.select(READ).to_pylist(), block[spec].to_pylist(), strict=True
        ):
            sample_id = sample["sample_id"]
            if sample_id not in keys or sample["split"] == BACKGROUND:
                continue
            rule = judging.rules[sample["task"]]
            text = found["text"] if answers is None else answers.get(sample_id)
            row = {**_row(sample_id, rule.id, keys[sample_id]), "finish": found["finish"]}
            if found["status"] != OK or text is None:
                reason = found["reason"] or "the answer is not kept"
                yield {
                    **row,
                    "status": UNSCORED if found["status"] == OK else found["status"],
                    "reason": reason,
                }
                continue
            reply = asked.replies.get(sample_id, Reply(None))
            if "reply" in rule.reads and reply.status == FAILED:
                yield {**row, "status": FAILED, "reason": reply.reason}
                continue
            known = Known(
                sample["references"] or (),
                sample["choices"] or (),
                sample["label"],
                reply.text,
                asked.entailed.get(sample_id),
            )
            judgement = rule.judge(text, known)
            status = UNSCORED if judgement.correct is None else OK
            yield {**row, **judgement._asdict(), "status": status}


def _labelled(judging: Judging, observations: Observations, spec: CaptureSpec | None) -> list[dict[str, Any]]:
    keys = {} if spec is None else observations.keys(spec)
    labels, rows = judging.labels or {}, []
    columns = (observations.samples[name].to_pylist() for name in ("sample_id", "split"))
    for sample_id, split in zip(*columns, strict=True):
        row = _row(sample_id, judging.source, keys.get(sample_id))
        if sample_id in labels:
            rows.append({**row, **labels[sample_id]._asdict(), "status": OK})
        elif split == EVALUATED:
            rows.append({**row, "status": UNSCORED, "reason": NO_LABEL})
    return rows


def _row(sample_id: str, rule: str, key: str | None) -> dict[str, Any]:
    return {"sample_id": sample_id, "rule": rule, "response": key, "draw": GREEDY}

"""What the vLLM engine decodes: from a spec to what its model is asked, and from that to columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmood.engines.base import Captured, Request, Tokenizer
from llmood.engines.columns import answers_of, next_token_of
from llmood.engines.decoding import Decoding
from llmood.engines.labels import label_ids
from llmood.records import FAILED, CaptureSpec

if TYPE_CHECKING:
    from llmood.engines.models.vllm_model import VllmModel

Adapters = Sequence[str | None]


def answered(
    spec: CaptureSpec,
    model: VllmModel,
    requests: Sequence[Request],
    rows: Sequence[Sequence[int]],
    adapters: Adapters,
    tokenizer: Tokenizer,
    *,
    context: int,
) -> list[Captured]:
    """`response` or `generations` of requests, sent as `rows`; an answer is cut where the context ends."""
    from llmood.engines.models.vllm_answers import decode

    decoding, wanted = Decoding.of(spec, tokenizer.end_ids), int(dict(spec.params)["max_new_tokens"])
    answers = decode(
        model,
        rows,
        adapters,
        decoding,
        max_new_tokens=[min(wanted, context - len(request.token_ids)) for request in requests],
        seeds=[request.seed for request in requests],
    )
    return [
        Captured(status=FAILED, reason=each)
        if isinstance(each, str)
        else answers_of(spec, each, decoding, tokenizer)
        for each in answers
    ]


def after_prompts(
    spec: CaptureSpec,
    model: VllmModel,
    rows: Sequence[Sequence[int]],
    adapters: Adapters,
    tokenizer: Tokenizer,
    shows_logits: bool,
) -> list[Captured]:
    """`next_token` of rows."""
    from llmood.engines.models.vllm_answers import next_tokens

    labels = label_ids(spec, tokenizer)
    top = int(dict(spec.params).get("top", 0))
    found = next_tokens(model, rows, adapters, alternatives=top, label_ids=labels, shows_logits=shows_logits)
    return [
        Captured(status=FAILED, reason=each) if isinstance(each, str) else next_token_of(each, labels)
        for each in found
    ]

"""What a template's prompt is made of, of one sample; or why there is too little for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmood.engines.prompts import Prompt, Unmade, answer_of
from llmood.prompting.base import Material, Shot, Template
from llmood.records import NO_REFERENCE, UNSCORED, CaptureSpec


def material_of(
    template: Template,
    spec: CaptureSpec,
    prompt: Prompt,
    response: Mapping[str, Any] | Unmade | None,
    draws: Sequence[str] | Unmade = (),
    shots: Sequence[Shot] | Unmade = (),
) -> Material | Unmade:
    """The sample's turns, and of an answer, further answers, references and judged answers what the template reads.

    Args:
        response, draws, shots: as of `requests.request_of`.
    """
    said = ""
    if "response" in template.reads:
        answer = answer_of(spec, response)
        if isinstance(answer, Unmade):
            return answer
        said = answer["text"]
    if isinstance(draws, Unmade):
        return draws
    if isinstance(shots, Unmade):
        return shots
    if "references" in template.reads and not prompt.references:
        return Unmade(UNSCORED, NO_REFERENCE)
    others = tuple(dict.fromkeys(draw.strip() for draw in draws if draw.strip()))
    return Material(prompt.messages, said, others, prompt.references, shots)

"""What is read outside of any prompt: words by an encoder, an answer's words alone, pictures by a model's eye."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmood.engines.base import ENCODER, Engine, Request, prompt_role
from llmood.engines.material import material_of
from llmood.engines.prompts import Prompt, Unmade, over_context
from llmood.prompting.base import template_of
from llmood.records import UNSCORED, CaptureSpec

NO_WORDS = "the text is empty"
NO_PICTURE = "it shows no picture"


def is_bare(spec: CaptureSpec) -> bool:
    """Whether what is fed are the words of an answer and nothing else: no question, and no picture."""
    return spec.is_derived and template_of(spec.target).bare


def outside_request(
    engine: Engine, spec: CaptureSpec, prompt: Prompt, response: Mapping[str, Any] | Unmade | None
) -> Request | Unmade:
    """What is read outside of any prompt: words by an encoder, an answer's words alone, pictures by a model's eye."""
    if spec.model == ENCODER or is_bare(spec):
        return _words(engine, spec, prompt, response)
    return _seen(prompt)


def _words(
    engine: Engine, spec: CaptureSpec, prompt: Prompt, response: Mapping[str, Any] | Unmade | None
) -> Request | Unmade:
    """Words without any chat template: for an encoder a sample's own or an answer's, for others an answer's."""
    text = _bare_text(spec, prompt, response) if is_bare(spec) else prompt.text
    if isinstance(text, Unmade):
        return text
    if spec.model != ENCODER:
        return _bare(engine, spec, text)
    pictures = () if is_bare(spec) else prompt.pictures  # an encoder that reads words alone is refused before
    if not text.strip() and not pictures:
        return Unmade(UNSCORED, NO_WORDS)
    own = prompt_role(engine) == ENCODER and not is_bare(spec)
    # They say how long it is to an encoder.
    ids = prompt.token_ids if own else engine.tokenizer(ENCODER).encode([text], rendered=False)[0]
    return Request(ids, text=text, pictures=pictures)


def _bare(engine: Engine, spec: CaptureSpec, text: str) -> Request | Unmade:
    """The ids of words alone."""
    # As if a template had rendered them: with no special token around.
    ids = engine.tokenizer(prompt_role(engine)).encode([text], rendered=True)[0]
    if not ids:
        return Unmade(UNSCORED, NO_WORDS)
    limit = engine.context_length(spec.model)
    if len(ids) > limit:
        return over_context(len(ids), limit)
    return Request(ids, (("prompt", 0, len(ids)),))


def _bare_text(
    spec: CaptureSpec, prompt: Prompt, response: Mapping[str, Any] | Unmade | None
) -> str | Unmade:
    template = template_of(spec.target)
    material = material_of(template, spec, prompt, response)
    return material if isinstance(material, Unmade) else template.make(material).messages[0].content


def _seen(prompt: Prompt) -> Request | Unmade:
    """A sample's pictures without its words: the same ones are read once. Their places say how large they are."""
    if not prompt.pictures:
        return Unmade(UNSCORED, NO_PICTURE)
    if not prompt.token_ids:
        return prompt.why_unsent
    ids = tuple(each for start, end in prompt.places for each in prompt.token_ids[start:end])
    return Request(ids, pictures=prompt.pictures)

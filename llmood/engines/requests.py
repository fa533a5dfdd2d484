"""What is sent to an engine for one sample, or why nothing can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmood.engines.bare import is_bare, outside_request
from llmood.engines.base import EMBEDDING, FEATURES, PICTURE, Engine, Request, prompt_role
from llmood.engines.material import material_of
from llmood.engines.pictures import seeing
from llmood.engines.placing import Placed, picture_text
from llmood.engines.prompts import Prompt, Unmade, answer_of, over_context, place_pictures
from llmood.engines.states import HIDDEN_STATES, lacking
from llmood.identity import digest_bytes
from llmood.prompting.base import Shot, template_of
from llmood.records import UNSCORED, CaptureSpec
from llmood.seeds import derive_seed
from llmood.tables import SEVERAL_ROWS

ANSWERS = ("response", "generations")  # what is decoded: at least one token has to have its place


def request_of(
    engine: Engine,
    spec: CaptureSpec,
    prompt: Prompt,
    response: Mapping[str, Any] | Unmade | None,
    draws: Sequence[str] | Unmade = (),
    shots: Sequence[Shot] | Unmade = (),
) -> Request | Unmade:
    """What to send for one sample, or why nothing can be sent.

    Args:
        response: the answer that it was given, for what needs one.
        draws: the words of further answers, for a derived prompt that asks for them.
        shots: judged answers, for one that shows them: as many pairs from the front as the context has room for.
    """
    if spec.kind == EMBEDDING or is_bare(spec):
        return outside_request(engine, spec, prompt, response)
    limit = engine.context_length(spec.model)
    ids = prompt.token_ids
    if not ids:
        return prompt.why_unsent
    spans: tuple[tuple[str, int, int], ...] = (("prompt", 0, len(ids)),)
    places = prompt.places
    note = None
    if spec.is_derived:
        derived, note = _fitting(engine, spec, prompt, response, draws, shots)
        if isinstance(derived, Unmade):
            return derived
        ids, places = derived.token_ids, derived.places
        spans = (("prompt", 0, len(ids)),)
    elif spec.needs_response:
        said = answer_of(spec, response)
        if isinstance(said, Unmade):
            return said
        answer = tuple(said["token_ids"])
        # One prefix for both models, whatever each one's tokenizer would put there: the ids must be the same.
        prefix = engine.tokenizer(prompt_role(engine)).prefix_ids
        before = ids if spec.target == "prompt_response" else prefix
        ids = (*before, *answer)
        name = "prompt" if spec.target == "prompt_response" else "prefix"
        spans = ((name, 0, len(before)), ("response", len(before), len(ids)))
    shows = bool(prompt.pictures) and spec.target != "response"  # an answer alone shows nothing
    if shows:
        spans += _spans_of(engine, spec, ids, places)
    if spec.kind == HIDDEN_STATES and (reason := lacking(spec, spans)) is not None:
        return Unmade(UNSCORED, reason)
    needed = len(ids) + (1 if spec.kind in ANSWERS else 0)
    if needed > limit:
        return over_context(needed, limit)
    pictures, turns = (prompt.pictures, prompt.messages) if shows else ((), ())
    seed = _seed(spec, prompt.sample_id)
    return Request(ids, spans, seed, note=note, pictures=pictures, messages=turns)


def _spans_of(
    engine: Engine, spec: CaptureSpec, ids: Sequence[int], places: Sequence[tuple[int, int]]
) -> tuple[tuple[str, int, int], ...]:
    """The spans of a prompt's pictures; of which tokens stand for what is seen only states want to know."""
    spans = tuple((PICTURE, start, end) for start, end in places)
    if spec.kind != HIDDEN_STATES:
        return spans
    features = seeing(engine.tokenizer(spec.model)).features(ids)
    return spans + tuple((FEATURES, start, end) for start, end in features)


def _fitting(
    engine: Engine,
    spec: CaptureSpec,
    prompt: Prompt,
    response: Mapping[str, Any] | Unmade | None,
    draws: Sequence[str] | Unmade,
    shots: Sequence[Shot] | Unmade,
) -> tuple[Placed | Unmade, str | None]:
    """The ids of a template's prompt with as many pairs of shots as fit, and a note where that isn't all of them."""
    derived, note = _derived(engine, spec, prompt, response, draws, shots), None
    if isinstance(shots, Unmade):
        return derived, note
    left, limit = len(shots), engine.context_length(spec.model)
    while not isinstance(derived, Unmade) and left > 2 and len(derived.token_ids) > limit:
        left -= 2
        derived = _derived(engine, spec, prompt, response, draws, shots[:left])
        note = f"shows {left} of {len(shots)} shots"
    return derived, note


def _derived(
    engine: Engine,
    spec: CaptureSpec,
    prompt: Prompt,
    response: Mapping[str, Any] | Unmade | None,
    draws: Sequence[str] | Unmade,
    shots: Sequence[Shot] | Unmade,
) -> Placed | Unmade:
    """The ids of the prompt that a template makes; it shows the pictures that its sample's own does."""
    template = template_of(spec.target)
    material = material_of(template, spec, prompt, response, draws, shots)
    if isinstance(material, Unmade):
        return material
    turns = template.make(material)
    judge = spec.model == "judge"
    tokenizer = engine.tokenizer(spec.model if judge else prompt_role(engine))
    # A judge is addressed as it is used to be, whatever the task is.
    chat = tokenizer.has_chat_template if judge else prompt.chat
    text = picture_text(tokenizer, turns.messages, turns.text, len(prompt.pictures), chat=chat)
    if prompt.pictures:
        return place_pictures(tokenizer, text, prompt.pictures, rendered=chat)
    return Placed(tokenizer.encode([text], rendered=chat)[0], ())


def draw_key(key: str, draw: int) -> str:
    """The key of one of several answers to a request."""
    return digest_bytes(f"{key}:{draw}".encode())


def _seed(spec: CaptureSpec, sample_id: str) -> int | None:
    """From the run's seed and the sample; draw i of a request takes the i-th from there on."""
    if spec.kind not in SEVERAL_ROWS:
        return None
    return derive_seed(int(dict(spec.params)["seed"]), sample_id, "draws") >> 1  # room for i within 63 bits

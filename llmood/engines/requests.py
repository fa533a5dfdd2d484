"""What is sent to an engine for one sample, or why nothing can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmood.engines.base import ENCODER, FEATURES, PICTURE, Engine, Pictures, Request, prompt_role
from llmood.engines.pictures import seeing
from llmood.engines.states import HIDDEN_STATES, lacking
from llmood.identity import digest_bytes
from llmood.prompting.base import Material, Shot, Turns, template_of
from llmood.records import EMPTY_ANSWER, NO_REFERENCE, UNSCORED, CaptureSpec, Message, Part, Status
from llmood.seeds import derive_seed
from llmood.tables import SEVERAL_ROWS

NO_WORDS = "the text is empty"
ANSWERS = ("response", "generations")  # what is decoded: at least one token has to have its place


@dataclass(frozen=True, slots=True)
class Unmade:
    """Why a sample has no observation of a capture."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A tokenised sample, with what prompts are derived from.

    Attributes:
        chat: whether its messages went through the chat template.
        pictures: what is shown with it; `places` are their tokens, as (start, end).
        unmade: why it can't be sent to a model.
        under: the same under each control that a capture may name.
    """

    sample_id: str
    token_ids: tuple[int, ...]
    split: Part = "test"
    messages: tuple[Message, ...] = ()
    chat: bool = False
    references: tuple[str, ...] = ()
    pictures: Pictures = ()
    places: tuple[tuple[int, int], ...] = ()
    unmade: Unmade | None = None
    under: Mapping[str, Prompt] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """The words of its messages, without template."""
        return "\n".join(message.content for message in self.messages)


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
    if spec.model == ENCODER:
        return _words(engine, spec, prompt, response)
    limit = engine.context_length(spec.model)
    ids = prompt.token_ids
    if not ids:
        return prompt.unmade or Unmade(UNSCORED, "the tokenizer makes no token of this text")
    spans: tuple[tuple[str, int, int], ...] = (("prompt", 0, len(ids)),)
    note = None
    if spec.is_derived:
        derived, note = _fitting(engine, spec, prompt, response, draws, shots)
        if isinstance(derived, Unmade):
            return derived
        ids, spans = derived, (("prompt", 0, len(derived)),)
    elif spec.needs_response:
        if isinstance(response, Unmade):
            return response
        if response is None:
            raise ValueError(f"{spec.id} was asked for before the response it needs")
        # An answer of the end token alone says nothing: it has no likelihood worth comparing.
        if not response["text"].strip():
            return Unmade(UNSCORED, EMPTY_ANSWER)
        answer = tuple(response["token_ids"])
        # One prefix for both models, whatever each one's tokenizer would put there: the ids must be the same.
        prefix = engine.tokenizer(prompt_role(engine)).prefix_ids
        before = ids if spec.target == "prompt_response" else prefix
        ids = (*before, *answer)
        name = "prompt" if spec.target == "prompt_response" else "prefix"
        spans = ((name, 0, len(before)), ("response", len(before), len(ids)))
    pictures, places = _shown(engine, spec, prompt)
    spans += places
    if spec.kind == HIDDEN_STATES and (reason := lacking(spec, spans)) is not None:
        return Unmade(UNSCORED, reason)
    needed = len(ids) + (1 if spec.kind in ANSWERS else 0)
    if needed > limit:
        return Unmade(UNSCORED, f"{needed} tokens are over the context of {limit}")
    return Request(ids, spans, _seed(spec, prompt.sample_id), note=note, pictures=pictures)


def _shown(
    engine: Engine, spec: CaptureSpec, prompt: Prompt
) -> tuple[Pictures, tuple[tuple[str, int, int], ...]]:
    """The prompt's pictures and their spans; an answer alone, and a prompt made of words, show nothing."""
    if spec.is_derived or spec.target == "response" or not prompt.pictures:
        return (), ()
    places = tuple((PICTURE, start, end) for start, end in prompt.places)
    if spec.kind == HIDDEN_STATES:
        features = seeing(engine.tokenizer(spec.model)).features(prompt.token_ids)
        places += tuple((FEATURES, start, end) for start, end in features)
    return prompt.pictures, places


def _words(
    engine: Engine, spec: CaptureSpec, prompt: Prompt, response: Mapping[str, Any] | Unmade | None
) -> Request | Unmade:
    """Words without any chat template, for an encoder: a sample's own, or those that a template makes of it.

    The ids say how long they are to it.
    """
    text = prompt.text
    if spec.is_derived:
        made = _turns(spec, prompt, response)
        if isinstance(made, Unmade):
            return made
        text = made.messages[0].content
    if not text.strip():
        return Unmade(UNSCORED, NO_WORDS)
    own = prompt_role(engine) == ENCODER and not spec.is_derived
    ids = prompt.token_ids if own else engine.tokenizer(ENCODER).encode([text], rendered=False)[0]
    return Request(ids, text=text)


def _fitting(
    engine: Engine,
    spec: CaptureSpec,
    prompt: Prompt,
    response: Mapping[str, Any] | Unmade | None,
    draws: Sequence[str] | Unmade,
    shots: Sequence[Shot] | Unmade,
) -> tuple[tuple[int, ...] | Unmade, str | None]:
    """The ids of a template's prompt with as many pairs of shots as fit, and a note where that isn't all of them."""
    derived, note = _derived(engine, spec, prompt, response, draws, shots), None
    if isinstance(shots, Unmade):
        return derived, note
    left, limit = len(shots), engine.context_length(spec.model)
    while not isinstance(derived, Unmade) and left > 2 and len(derived) > limit:
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
) -> tuple[int, ...] | Unmade:
    """The ids of the prompt that a template makes."""
    turns = _turns(spec, prompt, response, draws, shots)
    if isinstance(turns, Unmade):
        return turns
    if template_of(spec.target).bare:
        # As if a template had rendered it: no special token is put around the words.
        own = engine.tokenizer(prompt_role(engine))
        return own.encode([turns.messages[0].content], rendered=True)[0] or Unmade(UNSCORED, NO_WORDS)
    judge = spec.model == "judge"
    tokenizer = engine.tokenizer(spec.model if judge else prompt_role(engine))
    # A judge is addressed as it is used to be, whatever the task is.
    chat = tokenizer.has_chat_template if judge else prompt.chat
    text = tokenizer.render(turns.messages) if chat else turns.text
    return tokenizer.encode([text], rendered=chat)[0]


def _turns(
    spec: CaptureSpec,
    prompt: Prompt,
    response: Mapping[str, Any] | Unmade | None,
    draws: Sequence[str] | Unmade = (),
    shots: Sequence[Shot] | Unmade = (),
) -> Turns | Unmade:
    """What a template makes of a sample, before any tokenizer."""
    template = template_of(spec.target)
    said = ""
    if "response" in template.reads:
        if isinstance(response, Unmade):
            return response
        if response is None:
            raise ValueError(f"{spec.id} was asked for before the response it needs")
        said = response["text"]
        if not said.strip():
            return Unmade(UNSCORED, EMPTY_ANSWER)
    if isinstance(draws, Unmade):
        return draws
    if isinstance(shots, Unmade):
        return shots
    if "references" in template.reads and not prompt.references:
        return Unmade(UNSCORED, NO_REFERENCE)
    others = tuple(dict.fromkeys(draw.strip() for draw in draws if draw.strip()))
    return template.make(Material(prompt.messages, said, others, prompt.references, shots))


def draw_key(key: str, draw: int) -> str:
    """The key of one of several answers to a request."""
    return digest_bytes(f"{key}:{draw}".encode())


def _seed(spec: CaptureSpec, sample_id: str) -> int | None:
    """From the run's seed and the sample; draw i of a request takes the i-th from there on."""
    if spec.kind not in SEVERAL_ROWS:
        return None
    return derive_seed(int(dict(spec.params)["seed"]), sample_id, "draws") >> 1  # room for i within 63 bits

"""What is sent to an engine for one sample, or why nothing can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmood.engines.base import (
    EMBEDDING,
    ENCODER,
    FEATURES,
    PICTURE,
    Engine,
    Pictures,
    Request,
    Tokenizer,
    prompt_role,
)
from llmood.engines.opened_pictures import UnreadableError
from llmood.engines.pictures import Placed, picture_text, placing, seeing
from llmood.engines.states import HIDDEN_STATES, lacking
from llmood.identity import digest_bytes
from llmood.prompting.base import Material, Shot, template_of
from llmood.records import EMPTY_ANSWER, FAILED, NO_REFERENCE, UNSCORED, CaptureSpec, Message, Part, Status
from llmood.seeds import derive_seed
from llmood.tables import SEVERAL_ROWS
from llmood.tasks.row_errors import RowError

NO_WORDS = "the text is empty"
NO_PICTURE = "it shows no picture"
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
    if spec.kind == EMBEDDING or is_bare(spec):
        return _embedded(engine, spec, prompt, response)
    limit = engine.context_length(spec.model)
    ids = prompt.token_ids
    if not ids:
        return prompt.unmade or Unmade(UNSCORED, "the tokenizer makes no token of this text")
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
    shows = bool(prompt.pictures) and spec.target != "response"  # an answer alone shows nothing
    if shows:
        spans += _spans_of(engine, spec, ids, places)
    if spec.kind == HIDDEN_STATES and (reason := lacking(spec, spans)) is not None:
        return Unmade(UNSCORED, reason)
    needed = len(ids) + (1 if spec.kind in ANSWERS else 0)
    if needed > limit:
        return Unmade(UNSCORED, f"{needed} tokens are over the context of {limit}")
    pictures, turns = (prompt.pictures, prompt.messages) if shows else ((), ())
    seed = _seed(spec, prompt.sample_id)
    return Request(ids, spans, seed, note=note, pictures=pictures, messages=turns)


def place_pictures(tokenizer: Tokenizer, text: str, pictures: Pictures, *, rendered: bool) -> Placed | Unmade:
    """The ids of a text that holds an image token for each of its pictures; or why it can't be sent."""
    reader = placing(tokenizer)
    refused = reader.refuses(len(pictures))
    if refused is not None:
        return Unmade(UNSCORED, refused)
    try:
        return reader.place_shown(text, pictures, rendered=rendered)
    except RowError as error:
        return Unmade(FAILED if isinstance(error, UnreadableError) else UNSCORED, str(error))


def _seen(prompt: Prompt) -> Request | Unmade:
    """A sample's pictures without its words: the same ones are read once. Their places say how large they are."""
    if not prompt.pictures:
        return Unmade(UNSCORED, NO_PICTURE)
    if not prompt.token_ids:
        return prompt.unmade or Unmade(UNSCORED, "the tokenizer makes no token of this text")
    ids = tuple(each for start, end in prompt.places for each in prompt.token_ids[start:end])
    return Request(ids, pictures=prompt.pictures)


def _spans_of(
    engine: Engine, spec: CaptureSpec, ids: Sequence[int], places: Sequence[tuple[int, int]]
) -> tuple[tuple[str, int, int], ...]:
    """The spans of a prompt's pictures; of which tokens stand for what is seen only states want to know."""
    spans = tuple((PICTURE, start, end) for start, end in places)
    if spec.kind != HIDDEN_STATES:
        return spans
    features = seeing(engine.tokenizer(spec.model)).features(ids)
    return spans + tuple((FEATURES, start, end) for start, end in features)


def is_bare(spec: CaptureSpec) -> bool:
    """Whether what is fed are the words of an answer and nothing else: no question, and no picture."""
    return spec.is_derived and template_of(spec.target).bare


def _embedded(
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
        return Unmade(UNSCORED, f"{len(ids)} tokens are over the context of {limit}")
    return Request(ids, (("prompt", 0, len(ids)),))


def _bare_text(
    spec: CaptureSpec, prompt: Prompt, response: Mapping[str, Any] | Unmade | None
) -> str | Unmade:
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
    if "references" in template.reads and not prompt.references:
        return Unmade(UNSCORED, NO_REFERENCE)
    return template.make(Material(prompt.messages, said, references=prompt.references)).messages[0].content


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
    turns = template.make(Material(prompt.messages, said, others, prompt.references, shots))
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

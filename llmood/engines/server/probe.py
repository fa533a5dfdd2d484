"""What a server can do for a model, found out by a few small requests before anything is asked in earnest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmood.engines.base import Tokenizer
from llmood.engines.server.answers import AnswerError, Choice, check_sent, letters, read, read_as, scored
from llmood.engines.server.bodies import Form, Scoring, response_body, scoring_body
from llmood.engines.server.client import Client
from llmood.engines.server.fingerprint import Seen
from llmood.engines.server.problems import RequestError
from llmood.engines.server.wire import WireTokenizer
from llmood.errors import ConfigError

TEXT = "The quick brown fox jumps over the lazy dog; the bank opens at nine."
TOKENS = 48  # of the text, at most
QUESTION = "What is the capital of France?"  # to those who answer and don't score
ANSWER = 8
NO_TOKENIZER = "engine.server.tokenizer is not set, and without it no token ids can be sent"
NO_IDS = "it gives no ids of the tokens that it generates"
FORM_REFUSED = frozenset({400, 404, 405, 422, 501})  # another form of the same request may do
# With vLLM's own fields and log-probabilities of the answer; without the first; without both.
LADDER = ((True, True), (False, True), (False, False))


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do for one model.

    Attributes:
        scoring: how it gives the log-probabilities of a prompt's tokens; None if it doesn't.
        no_scoring, no_response, no_ids: why it lacks that; None where it doesn't.
        logprobs: whether its answers come with the log-probability of each token.
        seen: what the model gave for the probe; None where that says too little to know it again by.
    """

    model: str
    form: Form
    scoring: Scoring | None
    no_scoring: str | None
    no_response: str | None
    no_ids: str | None
    logprobs: bool
    seen: Seen | None


async def probe_ids(client: Client, model: str, tokenizer: Tokenizer, context: int | None) -> Abilities:
    """Abilities of a model that prompts go to as token ids.

    Raises:
        ConfigError: it takes no ids, or reads others than were sent.
        RequestError: the server gives no answer, or refuses the key.
    """
    ids = probe_of(tokenizer, context)
    forms = [Form("completions", True, extras, logprobs) for extras, logprobs in LADDER]
    form, answer, refusal = await _first_taken(client, forms, model, ids)
    if form is None:
        raise ConfigError(
            f"engine.server: {model} takes no token ids at /completions: {refusal}",
            hint="without 'tokenizer' and with 'api: chat' it may still give responses",
        )
    choice, counted = _read(answer, model)
    _check_read(choice, counted, ids, model)
    no_ids = None if choice.token_ids is not None else NO_IDS
    if choice.token_ids is not None and len(choice.token_ids) != len(choice.chosen or ()):
        no_ids = "it gives no log-probability of each token that it generates"
    scoring, why, found = await _scoring(client, form, model, ids)
    given = choice.chosen is not None
    if found is None:
        return Abilities(model, form, None, why, None, no_ids, given, _seen_answer(choice))
    sent, values = found
    _check_tokenizer(sent, ids, tokenizer, model)
    return Abilities(model, form, scoring, None, None, no_ids, given, Seen("prompt", values))


async def probe_wire(client: Client, model: str, tokenizer: Tokenizer) -> Abilities:
    """Abilities of a model that messages or texts go to as they are: responses, or nothing.

    Raises:
        RequestError: the server gives no answer, or refuses the key.
    """
    chat = tokenizer.has_chat_template
    forms = [Form("chat" if chat else "completions", False, extras, logprobs) for extras, logprobs in LADDER]
    if chat:
        forms += [replace(form, limit="max_completion_tokens") for form in forms[1:]]
    form, answer, refusal = await _first_taken(client, forms, model, probe_of(tokenizer))
    if form is None:
        return Abilities(model, forms[-1], None, NO_TOKENIZER, refusal, NO_TOKENIZER, False, None)
    choice, _ = _read(answer, model)
    no_ids = None if choice.token_ids is not None else NO_IDS
    given = choice.chosen is not None
    return Abilities(model, form, None, NO_TOKENIZER, None, no_ids, given, _seen_answer(choice))


async def probe_again(client: Client, abilities: Abilities, ids: Sequence[int]) -> Seen | None:
    """What the model gives now for the probe that it was known by."""
    if abilities.scoring is not None:
        try:
            _, values = await _score(client, abilities.scoring, abilities.form, abilities.model, ids)
        except AnswerError as error:
            raise RequestError(f"for {abilities.model} it gives {error}") from None
        return Seen("prompt", values)
    body = response_body(abilities.form, abilities.model, ids, max_tokens=ANSWER)
    choice, _ = _read(await client.ask(abilities.form.path, body), abilities.model)
    return _seen_answer(choice)


def probe_of(tokenizer: Tokenizer, context: int | None = None) -> tuple[int, ...]:
    """The ids of the probe: of a text, as many as the context has room for; or a question, sent as it is."""
    if isinstance(tokenizer, WireTokenizer):
        return tokenizer.encode([QUESTION], rendered=False)[0]
    (ids,) = tokenizer.encode([TEXT], rendered=False)
    return ids[: max(2, min(TOKENS, (context or TOKENS + ANSWER) - ANSWER))]


async def _first_taken(
    client: Client, forms: Sequence[Form], model: str, ids: Sequence[int]
) -> tuple[Form | None, Mapping[str, Any], str]:
    """The first form that the server takes, with its answer; else what it said to the last."""
    refusal = ""
    for form in forms:
        try:
            body = response_body(form, model, ids, max_tokens=ANSWER)
            return form, await client.ask(form.path, body), refusal
        except RequestError as problem:
            if problem.status not in FORM_REFUSED:
                raise
            refusal = str(problem)
    return None, {}, refusal


async def _scoring(
    client: Client, form: Form, model: str, ids: Sequence[int]
) -> tuple[Scoring | None, str, tuple[Choice, tuple[float, ...]] | None]:
    """How the prompt's log-probabilities can be had, with the answer; else why not."""
    reasons = []
    ways: tuple[Scoring, ...] = ("prompt_logprobs", "echo")
    for how in ways:
        try:
            return how, "", await _score(client, how, form, model, ids)
        except AnswerError as error:
            reasons.append(f"with '{how}' it gives {error}")
        except RequestError as problem:
            if problem.status not in FORM_REFUSED:
                raise
            reasons.append(f"with '{how}' {problem}")
    return None, "; ".join(reasons), None


async def _score(
    client: Client, how: Scoring, form: Form, model: str, ids: Sequence[int]
) -> tuple[Choice, tuple[float, ...]]:
    answer = await client.ask(form.path, scoring_body(how, model, ids, extras=form.extras))
    choice, counted = read(answer)
    check_sent(choice, counted, ids)
    return choice, tuple(scored(how, choice, ids).tolist())


def _seen_answer(choice: Choice) -> Seen | None:
    values, tokens = choice.chosen, choice.tokens
    return Seen("response", tuple(values), tuple(tokens)) if values and tokens else None


def _read(answer: Mapping[str, Any], model: str) -> tuple[Choice, int | None]:
    try:
        return read(answer)
    except AnswerError as error:
        raise RequestError(f"for {model} it gives {error}") from None


def _check_read(choice: Choice, counted: int | None, ids: Sequence[int], model: str) -> None:
    try:
        check_sent(choice, counted, ids)
    except AnswerError as error:
        raise ConfigError(
            f"engine.server: {model} doesn't read the tokens that are sent: it gives {error}",
            hint="this server can't be asked by token ids",
        ) from None


def _check_tokenizer(choice: Choice, ids: Sequence[int], tokenizer: Tokenizer, model: str) -> None:
    """Another model's tokenizer makes ids that are valid and mean other words."""
    start = max(1, len(tokenizer.prefix_ids))
    taken, sent = read_as(choice, start), letters(tokenizer.decode(ids[start:]))
    if taken is not None and taken != sent:
        raise ConfigError(
            f"engine.server.tokenizer: is not that of {model}: what was sent as '{sent}' is read as '{taken[:80]}'",
            hint="name the folder or hub name of the model that is served",
        )

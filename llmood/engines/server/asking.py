"""One request of a capture: what is sent for it, and what its answer becomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmood.engines.base import Captured, Request, Tokenizer
from llmood.engines.columns import logprobs_of, without_pictures
from llmood.engines.server.answers import AnswerError, check_sent, failed, read, response, scored
from llmood.engines.server.bodies import PATHS, chat_scoring_body, response_body, scoring_body
from llmood.engines.server.client import Client
from llmood.engines.server.pictures import Sight, TooLargeError, Turns, messages_sent, turns_of
from llmood.engines.server.probe import Abilities
from llmood.records import FAILED, UNSCORED, CaptureSpec
from llmood.tasks.row_errors import RowError


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a server for one capture of one model.

    Args:
        tokenizer: what reads the answer's ids, and ends it; None where prompts go as messages or texts.
        context: the most tokens of a prompt and its answer; None where they can't be counted.
        sight: what the server can do with pictures; None where nobody shows one.
    """

    spec: CaptureSpec
    abilities: Abilities
    tokenizer: Tokenizer | None
    context: int | None
    sight: Sight | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One picture at a time: its pixels are many times what is sent."""

    async def __call__(self, client: Client, request: Request) -> Captured:
        """The capture of one request; an answer that isn't what was asked for is a failed one.

        Raises:
            RequestError: there is no answer.
            BudgetError: it would cost more than is left.
        """
        turns = await self._turns(request) if request.pictures else None
        if isinstance(turns, Captured):
            return turns
        try:
            if self.spec.kind == "response":
                return await self._respond(client, request.token_ids, turns)
            if turns is not None:
                return without_pictures(await self._score_shown(client, request, turns), request.spans)
            return await self._score(client, request.token_ids)
        except AnswerError as error:
            return failed(error)

    async def _turns(self, request: Request) -> Turns | Captured:
        """The chat with its pictures, or what a sample comes to whose picture can't be sent."""
        messages = messages_sent(request.token_ids, request.messages)
        try:
            async with self._making:
                return await asyncio.to_thread(turns_of, messages, request.pictures)
        except RowError as error:
            status = UNSCORED if isinstance(error, TooLargeError) else FAILED
            return Captured(status=status, reason=str(error))

    async def _score_shown(self, client: Client, request: Request, turns: Turns) -> Captured:
        ids, body = request.token_ids, chat_scoring_body(self.abilities.model, turns)
        choice, counted = read(await client.ask(PATHS["chat"], body, tokens=len(ids) + 1))
        if choice.prompt_token_ids is None:
            raise AnswerError("no ids of the tokens that it read")
        check_sent(choice, counted, ids)
        return logprobs_of(scored("prompt_logprobs", choice, ids))

    async def _score(self, client: Client, ids: Sequence[int]) -> Captured:
        how, form = self.abilities.scoring, self.abilities.form
        if how is None:
            raise ValueError(f"{self.spec.id} was asked of a server that can't: {self.abilities.no_scoring}")
        if len(ids) == 1:
            return Captured({"logprobs": [None]})  # nothing stands before the only token
        body = scoring_body(how, self.abilities.model, ids, extras=form.extras)
        choice, counted = read(await client.ask(form.path, body, tokens=len(ids) + 1))
        check_sent(choice, counted, ids)
        return logprobs_of(scored(how, choice, ids))

    async def _respond(self, client: Client, ids: Sequence[int], turns: Turns | None) -> Captured:
        form = self.abilities.form if turns is None or self.sight is None else self.sight.form
        new = int(dict(self.spec.params)["max_new_tokens"])
        if self.context is not None:
            new = min(new, self.context - len(ids))
        ends = self.tokenizer.end_ids if self.tokenizer is not None else ()
        body = response_body(form, self.abilities.model, ids, max_tokens=new, end_ids=ends, turns=turns)
        choice, counted = read(await client.ask(form.path, body, tokens=len(ids) + new))
        if self.abilities.form.ids:
            check_sent(choice, counted, ids)
        if self.abilities.no_ids is None and choice.token_ids is None:
            raise AnswerError("no ids of the tokens that it generated")
        if self.abilities.logprobs and choice.chosen is None:
            raise AnswerError("no log-probabilities of the answer")
        return response(choice, self.tokenizer)

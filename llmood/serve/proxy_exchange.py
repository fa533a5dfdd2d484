"""A request to the model: what was decided on it, and what its client is sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.types import Send

from llmood.serve.answers import RequestError
from llmood.serve.decision import Asked
from llmood.serve.edge import passage_of
from llmood.serve.forms import MOST_RECORDS
from llmood.serve.guard import Guard
from llmood.serve.policy import Outcome, failed, outcome_of
from llmood.serve.proxy_questions import Heard, Question
from llmood.serve.proxy_upstream import Header, answer_headers

_CONTROL = re.compile(
    rb"[\x00-\x08\x0a-\x1f\x7f]"
)  # in a header: h11 lets an upstream say what a server may not


class Reply:
    """What a client is sent.

    Args:
        patience: seconds that a client may take for a piece; then its connection is closed.
    """

    def __init__(self, send: Send, patience: float) -> None:
        self._send, self._patience = send, patience
        self.has_begun = False

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        if not 200 <= status < 600 or any(_CONTROL.search(value) for _, value in headers):
            said = ValueError(f"status {status}, or a control character in a header")
            raise RequestError(
                502, "the model's server gave an answer that is no HTTP", "upstream_broken"
            ) from said
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def end(self, piece: bytes = b"") -> None:
        """The last piece."""
        await self._give(piece, more=False)

    async def pieces(self, pieces: AsyncIterator[bytes]) -> None:
        """Each piece as it comes, up to the last."""
        async for piece in pieces:
            if piece:
                await self._give(piece, more=True)
        await self.end()

    async def all_of(self, response: httpx2.Response, marks: Mapping[str, str] | None = None) -> None:
        """The upstream's answer, its body to the letter."""
        await self.start(response.status_code, answer_headers(response, marks or {}, length=None))
        await self.pieces(response.aiter_raw())

    async def _give(self, piece: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._send({"type": "http.response.body", "body": piece, "more_body": more})
                await asyncio.sleep(
                    0
                )  # or a fast upstream would leave no turn to others, nor to the client's leaving
        except TimeoutError:
            raise RequestError(408, "the client doesn't take its answer", "timeout") from None

    @asynccontextmanager
    async def or_broken(
        self, complain: Callable[[str], None], marks: Callable[[], Mapping[str, str]] = dict
    ) -> AsyncIterator[None]:
        """Say what went wrong: to the client, unless its answer has begun, which then breaks off.

        Args:
            marks: headers for the message, too.
        """
        try:
            yield
        except RequestError as error:
            cause = error.__cause__
            if cause is not None or self.has_begun:
                complain(error.message if cause is None else f"{error.message}: {_words(cause)}")
            if not self.has_begun:
                error.headers |= marks()
                raise


def _words(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()


class Exchange:
    """A request on a scored route.

    Attributes:
        outcome: what was decided; None so far.
        owes: whether the model answers, so that a decision is due however this ends.
    """

    def __init__(self, guard: Guard, request: Request, question: Question, reply: Reply) -> None:
        self.guard, self.question, self.reply = guard, question, reply
        self._passage = passage_of(request)
        self.outcome: Outcome | None = None
        self.owes = False

    def marks(self) -> dict[str, str]:
        """The decision as headers."""
        return {} if self.outcome is None else self.outcome.headers()

    def decision(self) -> dict[str, Any]:
        """The decision as a field."""
        if self.outcome is None:
            raise RuntimeError("nothing was decided")
        return self.outcome.decision.to_json()

    async def decide(self, records: Sequence[Mapping[str, Any]], lacks: str | None) -> Outcome:
        """What becomes of the request.

        Args:
            lacks: why the records can't be scored; None to score them.

        Raises:
            RequestError: no score can be had now.
        """
        guard, asked = self.guard, [self._ask(record) for record in records]
        if lacks is not None:
            self.outcome = await failed(guard, asked[:MOST_RECORDS], lacks)
        else:
            self.outcome = await outcome_of(guard, asked)
        self._note(records)
        return self.outcome

    async def decide_on(self, heard: Heard) -> Outcome:
        """The same, of the answers."""
        answers = heard.answers
        records = [] if answers is None else self.question.answered(answers)
        if not records:
            return await self.decide(self.question.records(), "the answer has no text")
        lacks = f"over {MOST_RECORDS} answers at once" if len(records) > MOST_RECORDS else None
        return await self.decide(records, self.question.lacks() or lacks)

    async def end(self) -> None:
        """Keep that an answer went out unscored, where it did."""
        if self.owes and self.outcome is None and self.reply.has_begun:
            await self.decide(self.question.records(), "the answer broke off before its end")

    def _ask(self, record: Mapping[str, Any]) -> Asked:
        passage, question = self._passage, self.question
        return Asked(record, question.route, passage.request_id, passage.arrived, question.model)

    def _note(self, records: Sequence[Mapping[str, Any]]) -> None:
        """For the log."""
        if self.outcome is not None:
            own = self.outcome.decision
            self._passage.notes |= {"questions": len(records), "flag": own.flag, "action": own.action}
        if self.guard.settings.log_text:
            self._passage.notes["records"] = [dict(record) for record in records]

"""A detector at work for many clients: each decision is on disk before anybody is told of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from llmood.detector.detector import Detector
from llmood.detector.form import MESSAGES, RESPONSE
from llmood.detector.verdicts import Verdicts
from llmood.errors import StoreError
from llmood.events import Event, EventStore
from llmood.identity import digest
from llmood.records import FAILED
from llmood.serve.batcher import Batcher
from llmood.serve.decision import Asked, Decision, action_of, decision_of
from llmood.serve.questions import question_of
from llmood.serve.settings import Policy, Settings

LOADING, STUCK = "the models are being loaded", "scoring has come to a stop"
WARM_UP = "How is the engine today, number {}?"  # its scores are looked at by nobody

Listener = Callable[[Sequence[Event]], None]


class Guard:
    """Scores records in batches, decides, and keeps what it decided.

    Args:
        detector: that was read from its folder.
        store: where decisions are kept; None to keep none.
        complain: told what went wrong, in words that may name files.

    Attributes:
        is_left_behind: whether the thread that scores hung when the guard stopped; a process waits for it when it ends.
    """

    def __init__(
        self,
        detector: Detector,
        settings: Settings,
        policy: Policy,
        store: EventStore | None = None,
        complain: Callable[[str], None] = lambda _: None,
    ) -> None:
        if detector.digest is None:
            raise ValueError("the detector has no folder: 'Detector.save' writes it")
        self.detector, self.settings, self.policy = detector, settings, policy
        self._digest = detector.digest
        self._store, self.complain = store, complain
        self._listeners: list[Listener] = []
        self._opened = ExitStack()
        self._verdicts: Verdicts  # from `start` on
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self._working: asyncio.Task[None] | None = None
        self.is_left_behind = False
        self._batcher: Batcher[Asked, Decision] = Batcher(
            self._decide_all,
            self._executor,
            most=settings.batch,
            queue=settings.queue,
            latency=settings.latency,
            common=(StoreError,),
        )

    @property
    def is_ready(self) -> bool:
        """Whether questions are being taken."""
        return self.lacks is None

    @property
    def lacks(self) -> str | None:
        """Why no question is being taken; None where they are."""
        if self._working is None or self._working.done():
            return LOADING
        return (
            STUCK if self._batcher.busy_for > self.settings.timeout else None
        )  # nobody waits for that batch

    @property
    def waiting(self) -> int:
        """Questions in the queue."""
        return self._batcher.waiting

    @property
    def retry_after(self) -> int | None:
        """Whole seconds until one question more is taken; None where it is now."""
        return self._batcher.full()

    def listen(self, listener: Listener) -> None:
        """Have somebody told of events once they are on disk, in the thread that kept them."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Load the models, and score something: the first question is to wait for nothing.

        Raises:
            LlmoodError: a model can't be loaded.
        """
        loop = asyncio.get_running_loop()
        for rows, seconds in await loop.run_in_executor(self._executor, self._load):
            self._batcher.learn(rows, seconds)
        self._working = asyncio.create_task(self._batcher.run())

    async def decide(self, asked: Sequence[Asked]) -> list[Decision]:
        """Decisions in the order of what was asked; they are on disk, if they are to be kept.

        Raises:
            FullError, ClosedError: nothing was begun.
            TimeoutError: it took longer than the settings allow.
            LlmoodError: no score could be had, or the decision could not be kept.
        """
        async with asyncio.timeout(self.settings.timeout):
            return await self._batcher.submit(asked)

    async def keep_failure(self, asked: Asked, reason: str) -> Decision:
        """Decide, and keep, without a score.

        Raises:
            StoreError: it could not be kept.
        """
        action = action_of(asked.source, self.policy, FAILED, None, {})
        decision = Decision(uuid.uuid4().hex, FAILED, reason, action)
        await asyncio.to_thread(self._keep, [(asked, decision)])
        return decision

    async def stop(self) -> None:
        """Answer what waits, then free the models and close the store."""
        self._batcher.close()
        if self._working is not None:
            await asyncio.wait([self._working], timeout=self.settings.drain)
            if not self._working.done():  # nothing makes a thread end
                self.is_left_behind = True
                self._working.cancel()
                self.complain("scoring hangs; the guard ends without it")
        if not self.is_left_behind:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._opened.close)
        self._executor.shutdown(wait=not self.is_left_behind)
        if self._store is not None:
            self._store.close()

    # ------------------------------------------------------------------------ in the thread that scores

    def _load(self) -> list[tuple[int, float]]:
        """How long batches take: one row, and as many as there may be."""
        self._verdicts = self._opened.enter_context(self.detector.open())
        found = []
        for rows in (1, 1, self.settings.batch):  # the first pays for what is loaded late
            begun = time.monotonic()
            self._verdicts.score([_warm_up(number) for number in range(rows)])
            found.append((rows, time.monotonic() - begun))
        return found[1:]

    def _decide_all(self, asked: Sequence[Asked]) -> Sequence[Decision]:
        (table,) = self._verdicts.chunks([each.record for each in asked], rows=len(asked))
        decisions = [
            decision_of(uuid.uuid4().hex, verdict, each.source, self.policy)
            for each, verdict in zip(asked, table.to_pylist(), strict=True)
        ]
        decided = zip(asked, decisions, strict=True)
        self._keep([(each, decision) for each, decision in decided if each.is_kept])
        return decisions

    def _keep(self, decided: Sequence[tuple[Asked, Decision]]) -> None:
        now, moment = datetime.now(UTC), time.monotonic()
        events = [self._event(asked, decision, now, moment) for asked, decision in decided]
        if self._store is not None:
            self._store.append(events)
        for tell in self._listeners:
            tell(events)

    def _event(self, asked: Asked, decision: Decision, now: datetime, moment: float) -> Event:
        text = question_of(asked.record, self.detector.content.form.columns)
        seconds = moment - asked.arrived
        return Event(
            event_id=decision.event_id,
            time=now - timedelta(seconds=seconds),
            request_id=asked.request_id,
            source=asked.source,
            detector=self._digest,
            model=asked.model,
            stage=self.detector.content.stage,
            score=decision.score,
            p_value=decision.p_value,
            flag=decision.flag,
            confidence=decision.confidence,
            answers=decision.answers,
            parts=decision.parts,
            status=decision.status,
            reason=decision.reason,
            action=decision.action,
            text=text,
            text_hash=digest(text),
            seconds=seconds,
        )


def _warm_up(number: int) -> dict[str, Any]:
    return {MESSAGES: [{"role": "user", "content": WARM_UP.format(number)}], RESPONSE: "Well."}

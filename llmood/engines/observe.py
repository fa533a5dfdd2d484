"""From capture specs to observations: each capture once, each model loaded once, in dependency order."""

from __future__ import annotations

import heapq
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from llmood import interrupts
from llmood.engines.base import Captured, Engine
from llmood.engines.canary import KINDS, Watched
from llmood.engines.captures import asked_draws, shown_shots
from llmood.engines.drawn_texts import draws_texts
from llmood.engines.exits import exit_of
from llmood.engines.labels import labels_of
from llmood.engines.pace import Pace, answer_room
from llmood.engines.prompts import Prompt, Unmade
from llmood.engines.requests import ANSWERS, request_of
from llmood.engines.shots import NO_SHOTS, Judge, Shots, choose_shots, judged_answers, nobody
from llmood.engines.state_files import weight_of
from llmood.engines.store import Context, Location, Store
from llmood.engines.wanted import Wanted, placed, reason_of, without_words
from llmood.identity import digest_bytes
from llmood.progress import Advance, Progress
from llmood.records import BACKGROUND, FAILED, OK, CaptureSpec, Part
from llmood.tables import INDEX

_Asked = tuple[str, str | None, str, str]

SHARD_ROWS = 4096
SHARD_SECONDS = 5.0
SHARD_BYTES = 32 << 20  # of hidden states, all that weighs much; while they are written they exist thrice


class Observer:
    """Captures specs of prompts through an engine into a store, and remembers where each observation is.

    Args:
        splits: what each capture is made of; without it, of all prompts.
        watch: how many samples to keep in `watched`, for the canary: those of the smallest hashes.
        judge: tells which answers are right, for the prompts that show some; by default nobody knows.

    Attributes:
        shown: by the id of a capture that shows judged answers, which samples' they are.
    """

    def __init__(
        self,
        engine: Engine,
        prompts: Sequence[Prompt],
        store: Store,
        *,
        private: bool,
        splits: Mapping[CaptureSpec, Collection[Part]] | None = None,
        watch: int = 0,
        judge: Judge = nobody,
        progress: Progress | None = None,
    ) -> None:
        self.engine = engine
        self.prompts = prompts
        self.splits = splits or {}
        self.store = store
        self.private = private
        self.judge = judge
        self.progress = progress or Progress()
        self.shown: dict[str, list[str]] = {}
        # By target, control, role and sample id: what was answered to the prompt, and to those derived from it.
        self._responses: dict[_Asked, Mapping[str, Any] | Unmade] = {}
        self._decoded: dict[str, Mapping[str, Any]] = {}  # by key, of the capture that just ran
        self._rows: list[dict[str, Any]] = []
        self.watched: list[Watched] = []
        # A background isn't captured as the others are: its rows would crowd out those that can be compared.
        names = [prompt.sample_id for prompt in prompts if prompt.split != BACKGROUND]
        self._watched = set(heapq.nsmallest(watch, names, key=lambda name: digest_bytes(name.encode())))

    def prompts_of(self, spec: CaptureSpec) -> list[Prompt]:
        """The prompts that a capture is made of: all of them, unless its splits were named; as its control has them."""
        wanted, control = self.splits.get(spec), spec.control
        own = [prompt for prompt in self.prompts if wanted is None or prompt.split in wanted]
        return own if control is None else [prompt.under[control] for prompt in own]

    def context(self, spec: CaptureSpec) -> Context:
        """The store's context of a capture: all that decides its numbers, but for the token ids and pictures.

        A control is not in it: it decides what is sent, and that is in the key.
        """
        identity: dict[str, Any] = {
            "engine": self.engine.identity(spec.model),
            "target": spec.target,
            "params": dict(spec.plain.params),
            "private": self.private,
        }
        tokenizer = self.engine.tokenizer(spec.model)
        if labels_of(spec):
            identity["tokenizer"] = tokenizer.identity
        if spec.kind in ANSWERS:
            # What its text is, and where it ends.
            identity["tokenizer"] = tokenizer.identity
            identity["end_ids"] = sorted(tokenizer.end_ids)
            identity["context_length"] = self.engine.context_length(spec.model)
        return self.store.context(spec.kind, identity)

    def want(self, spec: CaptureSpec) -> Wanted:
        """The requests of a capture. What needs a response can be asked only after `run` of the response."""
        context = self.context(spec)
        wanted = Wanted(spec, context, {}, {}, {})
        draws = asked_draws(spec)
        drawn = {} if draws is None else draws_texts(draws, self._rows, self.store)
        chosen = self._shots(spec)
        shots = chosen.shots if isinstance(chosen, Shots) else chosen
        for prompt in self.prompts_of(spec):
            response = self._responses.get(("prompt", spec.control, spec.responder, prompt.sample_id))
            others = drawn.get(prompt.sample_id, ())
            request = request_of(self.engine, spec, prompt, response, others, shots)
            if isinstance(request, Unmade):
                wanted.unmade[prompt.sample_id] = request
                continue
            key = context.key(request.content)
            wanted.keys[prompt.sample_id] = key
            wanted.requests[key] = request
        return wanted

    def _shots(self, spec: CaptureSpec) -> Shots | Unmade:
        """The judged answers that the prompts of a capture show."""
        wanted = shown_shots(spec)
        if wanted is None:
            return NO_SHOTS
        responses = {
            name: found
            for (target, control, role, name), found in self._responses.items()
            if (target, control, role) == ("prompt", spec.control, spec.responder)
        }
        chosen = choose_shots(judged_answers(self.prompts, responses, self.judge), *wanted)
        self.shown[spec.id] = list(chosen.sample_ids) if isinstance(chosen, Shots) else []
        return chosen

    def run(self, spec: CaptureSpec) -> None:
        """Capture what the store lacks, and index it all."""
        wanted = self.want(spec)
        located = self.located(wanted)
        failed = self._capture_missing(wanted, located)
        for sample_id in (prompt.sample_id for prompt in self.prompts_of(spec)):
            key = wanted.keys.get(sample_id)
            unmade = failed.get(key) if key else wanted.unmade[sample_id]
            known = {
                "sample_id": sample_id,
                "capture": spec.id,
                "status": unmade.status if unmade else OK,
                "reason": unmade.reason if unmade else wanted.requests[key].note if key else None,
            }
            own = wanted.own_keys(key) if key else [None]
            kept = own if unmade is None else own[:1]
            self._rows += [known | placed(name, draw, located, spec) for draw, name in enumerate(kept)]
            # A judge's tokens are not the base's, and a second path has no early exits.
            watched = spec.kind in KINDS and spec.model != "judge" and exit_of(spec) is None
            watched = watched and spec.control is None
            if key and key in located and sample_id in self._watched and watched:
                self.watched.append(Watched(sample_id, spec, wanted.requests[key], located[key]))
            if spec.kind == "response" and unmade:
                self._responses[spec.target, spec.control, spec.model, sample_id] = unmade
        if spec.kind == "response":
            self._load_responses(wanted, located)

    def answers(self, role: str, target: str = "prompt") -> dict[str, str]:
        """What a model responded to each sample that has a response, also where the store keeps no text."""
        return {
            sample_id: response["text"]
            for (fed, control, model, sample_id), response in self._responses.items()
            if (fed, control, model) == (target, None, role)
            and not isinstance(response, Unmade)
            and response["text"] is not None
        }

    def index(self) -> pa.Table:
        """Where each sample's observation of each capture is."""
        return pa.Table.from_pylist(self._rows, schema=INDEX)

    def located(self, wanted: Wanted) -> dict[str, Location]:
        """Where the store holds what is wanted, as far as this run can use it."""
        # A private response is stored without its text, so what depends on it can only be made by decoding again.
        if self.private and wanted.spec.kind == "response":
            return {}
        return wanted.context.locate({own for key in wanted.requests for own in wanted.own_keys(key)})

    def _capture_missing(self, wanted: Wanted, located: dict[str, Location]) -> dict[str, Unmade]:
        """Run what the store lacks; fills `located`, returns the keys that failed."""
        spec, keys = wanted.spec, list(wanted.requests)
        failed: dict[str, Unmade] = {}
        done = {
            index for index, key in enumerate(keys) if all(own in located for own in wanted.own_keys(key))
        }
        if len(done) == len(keys):
            return failed
        with self.progress.track(spec.id, len(keys), done=len(done)) as advance:
            self._run(wanted, keys, done, located, failed, advance)
        return failed

    def _run(
        self,
        wanted: Wanted,
        keys: Sequence[str],
        done: Collection[int],
        located: dict[str, Location],
        failed: dict[str, Unmade],
        advance: Advance,
    ) -> None:
        pending: list[dict[str, Any]] = []
        written = time.monotonic()
        pace = Pace(room=answer_room(wanted.spec))
        requests = list(wanted.requests.values())
        try:
            for finished in self.engine.run(wanted.spec.plain, requests, done=done):
                for index, captured in finished:
                    key = keys[index]
                    if captured.status == FAILED:
                        reason = reason_of(captured, private=self.private)
                        failed[key] = Unmade(FAILED, reason or "the engine gave no reason")
                    else:
                        pending += self._stored(wanted, key, captured)
                advance(len(finished))
                pace.add([requests[index] for index, _ in finished])
                late = time.monotonic() - written > SHARD_SECONDS
                if pending and (late or len(pending) >= SHARD_ROWS or weight_of(pending) >= SHARD_BYTES):
                    full, pending = pending, []
                    located.update(wanted.context.append(full))
                    written = time.monotonic()
                interrupts.check()  # the exception may have been lost in a library, say while it was imported
        finally:
            # Also when interrupted or when a batch fails: nothing that is finished is lost.
            if pending:
                located.update(wanted.context.append(pending))
        if pace.rate is not None:
            wanted.context.note_rate(pace.rate)

    def _stored(self, wanted: Wanted, key: str, captured: Captured) -> list[dict[str, Any]]:
        """The rows that the store keeps of one request; what was decoded is remembered whole."""
        rows = wanted.rows(key, captured, private=self.private)
        if wanted.spec.kind == "response":
            self._decoded |= {row["key"]: row for row in rows}
        return [without_words(row) for row in rows] if self.private else rows

    def _load_responses(self, wanted: Wanted, located: Mapping[str, Location]) -> None:
        """Remember each sample's response for the captures that depend on it."""
        by_shard: dict[str, list[tuple[str, int]]] = {}
        for key in wanted.requests:
            if key not in self._decoded and key in located:
                by_shard.setdefault(located[key].shard, []).append((key, located[key].row))
        for shard, rows in by_shard.items():
            table = self.store.read(shard, ["text", "token_ids", "status", "reason"]).take(
                pa.array([row for _, row in rows])
            )
            self._decoded |= {key: value for (key, _), value in zip(rows, table.to_pylist(), strict=True)}
        self._responses |= {
            (wanted.spec.target, wanted.spec.control, wanted.spec.model, name): _response_of(
                self._decoded[key]
            )
            for name, key in wanted.keys.items()
            if key in self._decoded
        }
        self._decoded = {}


def _response_of(row: Mapping[str, Any]) -> Mapping[str, Any] | Unmade:
    """What a model responded, or why that is no answer."""
    if row["status"] == OK:
        return row
    return Unmade(row["status"], row["reason"] or "there is no answer")


__all__ = ["SHARD_BYTES", "SHARD_ROWS", "SHARD_SECONDS", "Observer", "Prompt", "Wanted"]

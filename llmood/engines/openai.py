"""The engine for models behind a server: vLLM's, a vendor's, whatever speaks OpenAI's protocol."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any, ClassVar

from llmood.engines.base import Captured, Engine, Request, Tokenizer, engines, prompted_roles
from llmood.engines.decoding import needs_logits
from llmood.engines.folders import resolve_tokenizer, sees
from llmood.engines.local import need
from llmood.engines.server.asking import Asker
from llmood.engines.server.budget import Budget
from llmood.engines.server.client import key_of
from llmood.engines.server.fingerprint import Known, Register
from llmood.engines.server.pictures import NO_IDS_BESIDE, NOT_DERIVED, ServedPictureTokenizer, Sight
from llmood.engines.server.probe import Abilities
from llmood.engines.server.section import served_name, server_section
from llmood.engines.server.session import Session
from llmood.engines.server.stream import stream
from llmood.engines.server.survey import Served, look_again, look_at_pictures, survey
from llmood.engines.server.wire import WireTokenizer
from llmood.engines.tokenizer import FolderTokenizer
from llmood.errors import ConfigError, EngineError
from llmood.records import CaptureSpec

ENGINE_VERSION = 1  # raise it with every change that changes what is asked for
NO_DISTRIBUTION = "of a server's answers only each token's own log-probability is recorded"
NO_LIMIT = 1_000_000_000  # where nobody says how much a model can read, the server refuses what is too long


@engines.register("openai")
class OpenAIEngine(Engine):
    """Models that a server serves by name: vLLM's server, or any other that speaks OpenAI's protocol.

    What it can record depends on the server; it is found out once, before anything is asked in earnest.
    """

    kind: ClassVar[str] = "openai"
    captures: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {
            ("prompt_logprobs", "prompt"),
            ("prompt_logprobs", "response"),
            ("prompt_logprobs", "prompt_response"),
            ("response", "prompt"),
        }
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        need("openai", extra="api")
        self.server = server_section(self.config)
        self._names = {role: served_name(role, model) for role, model in self.models.by_role.items()}
        self._budget = Budget(self.server.max_requests, self.server.max_tokens)
        self._ends: float | None = None
        self._running: Iterator[list[tuple[int, Captured]]] | None = None
        self._sights: dict[str, Sight] = {}
        key_of(self.server)

    # ---------------------------------------------------------------------------------------- what it is

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.models.by_role)

    def identity(self, role: str) -> dict[str, Any]:
        """Address, name and what the server says of it; and, in place of weights, what the model gave for a probe."""
        form, known = self.abilities(role).form, self._known(role)
        return {
            "engine": self.kind,
            "version": {"engine": ENGINE_VERSION},
            **self._said(role),
            "weights": f"seen:{known.id}" if known else None,
            "form": asdict(form),
        }

    def describe(self, role: str) -> dict[str, Any]:
        known = self._known(role)
        return {
            "name": self._name(role),
            "base": self._served.said(self._name(role)).get("parent"),
            "revision": None,
            "commit": None,
            "parameters": None,
            "context": None if self._context(role) is None else self.context_length(role),
            "server": self.server.url,
            "first_seen": known.made if known else None,
            "seen_before": known.number if known else None,
            "counted_in": "bytes" if self.server.tokenizer is None else "tokens",
        }

    def tokenizer(self, role: str) -> Tokenizer:
        return self._tokenizer

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        name = self.server.tokenizer
        if name is None:
            return WireTokenizer(chat=self.server.api != "completions")
        need("transformers", extra="api")
        place = "engine.server.tokenizer"
        folder = resolve_tokenizer(name, place=place, relative_to=self.folder)
        kind = ServedPictureTokenizer if sees(folder) else FolderTokenizer
        return kind(folder, folder, place=place, trust_remote_code=self.config.trust_remote_code)

    def context_length(self, role: str) -> int:
        limits = (self._context(role), self.config.max_length)
        return min((limit for limit in limits if limit is not None), default=NO_LIMIT)

    def _context(self, role: str) -> int | None:
        if self.server.tokenizer is None:
            return None  # what the server counts is no length of ours
        served = self._served.context(self._name(role))
        return None if served is None else served - 1  # it makes a token even where only the prompt is scored

    # ----------------------------------------------------------------------------------- what it can do

    def abilities(self, role: str) -> Abilities:
        """What the server can do for a role's model; the first call asks it."""
        return self._served.abilities[self._name(role)]

    def lacks(self, spec: CaptureSpec) -> str | None:
        plainly = super().lacks(spec)
        if plainly is not None:
            return plainly
        abilities = self.abilities(spec.model)
        if spec.kind == "response":
            asked = needs_logits(spec) or dict(spec.params).get("top")
            return abilities.no_response or (NO_DISTRIBUTION if asked else None)
        if spec.needs_response and not spec.is_derived and spec.responder in self.roles:
            no_ids = self.abilities(spec.responder).no_ids
            return abilities.no_scoring or no_ids
        return abilities.no_scoring

    def refuses_pictures(self) -> str | None:
        for role in prompted_roles(self):
            refused = self._sight(role).refused
            if refused is not None:
                return (
                    f"models.{role}: '{self._name(role)}' takes no pictures at {self.server.url}: {refused}"
                )
        return None

    def lacks_of_pictures(self, spec: CaptureSpec) -> str | None:
        if spec.is_derived:
            return NOT_DERIVED
        if (
            spec.kind == "response" or spec.target == "response"
        ):  # an answer alone is scored without the picture
            return None
        return NO_IDS_BESIDE if spec.target == "prompt_response" else self._sight(spec.model).no_scoring

    def _sight(self, role: str) -> Sight:
        """What the server can do with pictures for a role's model; the first call asks it."""
        name = self._name(role)
        if name not in self._sights:
            self._sights[name] = look_at_pictures(self.server, self.abilities(role), self._tokenizer)
        return self._sights[name]

    @cached_property
    def _served(self) -> Served:
        return survey(self.server, self._names, self._tokenizer)

    # ------------------------------------------------------------------------------------------- running

    def run(
        self, spec: CaptureSpec, requests: Sequence[Request], *, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, Captured]]]:
        self.close()
        missing = [(index, request) for index, request in enumerate(requests) if index not in done]
        self._running = self._ask(spec, missing) if missing else iter(())
        return self._running

    def _ask(
        self, spec: CaptureSpec, missing: Sequence[tuple[int, Request]]
    ) -> Iterator[list[tuple[int, Captured]]]:
        tokenizer = self._tokenizer if self.server.tokenizer is not None else None
        context = self.context_length(spec.model) if tokenizer is not None else None
        sight = self._sight(spec.model) if any(request.pictures for _, request in missing) else None
        asker = Asker(spec, self.abilities(spec.model), tokenizer, context, sight)
        known = self._known(spec.model)
        session = Session(self.server, self._budget, asker, seconds=self._seconds_left())
        yield from stream(partial(session.run, iter(missing)))
        if known is not None:
            self._check_unchanged(spec.model, known)

    def close(self) -> None:
        """Stop what is on its way."""
        running, self._running = self._running, None
        if running is not None and hasattr(running, "close"):
            running.close()

    def _seconds_left(self) -> float | None:
        if self.server.total_timeout is None:
            return None
        now = time.monotonic()
        self._ends = self._ends or now + self.server.total_timeout
        return max(0.0, self._ends - now)

    # ------------------------------------------------------------------------------- which model it really is

    def _said(self, role: str) -> dict[str, Any]:
        name = self._name(role)
        return {"server": self.server.url, "model": name, "said": self._served.said(name)}

    def _register(self, role: str) -> Register:
        return Register(self._said(role))

    def _known(self, role: str) -> Known | None:
        seen = self.abilities(role).seen
        name = self._name(role)
        if seen is not None and name not in self._recognised:
            self._recognised[name] = self._register(role).recognise(seen)
        return self._recognised.get(name)

    @cached_property
    def _recognised(self) -> dict[str, Known]:
        return {}

    def _check_unchanged(self, role: str, known: Known) -> None:
        """Look again, now that all was asked: a model that was replaced meanwhile has given some of the numbers.

        Raises:
            EngineError: it gives something else now. What was stored under its identity is never used again.
        """
        seen = look_again(self.server, self.abilities(role), self._tokenizer, self._context(role))
        if seen is None or not known.seen.same(seen):
            self._register(role).spoil(known)
            raise EngineError(
                f"models.{role}: '{self._name(role)}' changed at {self.server.url} while it was asked: "
                "what it gave belongs to no one model",
                hint="serve one model under a name for as long as a run takes; the same command starts anew with it",
            )

    def _name(self, role: str) -> str:
        if role not in self._names:
            raise ConfigError(f"models.{role}: is missing")
        return self._names[role]

"""What every engine is: a tokenizer, identities that are content, and captures of token ids.

An engine never sees text to score: llmood tokenises once and sends token ids (`Tokenizer.encode`), so that two
models, two engines or two runs can't silently read a text differently.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from llmood.config import EngineConfig, Models
from llmood.engines.decoding import why_unusable
from llmood.engines.exits import NO_EXITS, exit_of
from llmood.engines.labels import labels_of, why_labels_unusable
from llmood.picture_records import Picture
from llmood.records import OK, CaptureSpec, Message, Status
from llmood.registry import Registry

Pictures = tuple[Picture, ...]
PICTURE = "picture"
"""The span of a picture's tokens: they are no text, and have no log-probability."""
FEATURES = "features"
"""Those of them that stand for what the model sees, without the marks around; several spans where there are tiles."""


@dataclass(frozen=True, slots=True)
class Request:
    """Token ids to run.

    Attributes:
        spans: names of their parts, as (name, start, end).
        seed: of draws; two samples of the same text are drawn for by themselves.
        text: for an encoder, the words themselves: it makes its own ids of them, and may cut them.
        note: what is worth saying of how it was made; it decides nothing.
        pictures: what is shown; the ids hold their places already.
        messages: with pictures, the turns that the ids were made of, for a server that takes no ids beside them.
    """

    token_ids: tuple[int, ...]
    spans: tuple[tuple[str, int, int], ...] = ()
    seed: int | None = None
    text: str | None = None
    note: str | None = None
    pictures: Pictures = ()
    messages: tuple[Message, ...] = ()

    @property
    def content(self) -> str:
        """All of it as text, for the key: the same ids cut into other spans are another observation."""
        shown = "".join(f";picture={picture.digest}" for picture in self.pictures)
        if self.text is not None:
            return self.text + shown
        spans = ",".join(f"{name}-{start}-{end}" for name, start, end in self.spans)
        seed = "" if self.seed is None else f";seed={self.seed}"
        return f"{','.join(map(str, self.token_ids))};{spans}{seed}{shown}"


@dataclass(frozen=True, slots=True)
class Captured:
    """What an engine gives for one request: the columns of the capture's kind, or why there are none.

    `draws` holds them for each of several answers, where the kind has several rows a sample. `said` are the words of
    somebody else behind the reason (a server's), which may quote what was sent: they are kept only where text is.
    `states` (layers, positions, size) go into a file beside the columns' own.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    status: Status = OK
    reason: str | None = None
    draws: Sequence[Mapping[str, Any]] = ()
    said: str | None = None
    states: NDArray[np.generic] | None = field(default=None, compare=False)


class Tokenizer(Protocol):
    """Text to ids and back, for one model role."""

    @property
    def identity(self) -> str:
        """Digest of all that decides the ids, chat template included."""

    @property
    def has_chat_template(self) -> bool: ...

    @property
    def prefix_ids(self) -> tuple[int, ...]:
        """What the tokenizer puts before every text by itself (`<s>`), maybe nothing."""

    @property
    def end_ids(self) -> frozenset[int]:
        """The ids that end a response."""

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt text under the chat template, up to where the model answers."""

    def encode(self, texts: Sequence[str], *, rendered: bool) -> list[tuple[int, ...]]:
        """Ids of each text; special tokens are added unless the chat template `rendered` them already."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens left out."""


class Engine(ABC):
    """Runs the model roles of one run.

    Args:
        config: the run's `engine` section.
        models: the run's `models` section.
        folder: where relative paths of the configuration start.

    Making one reads configurations and hashes weights; it loads no model. The first `run` does.
    """

    kind: ClassVar[str]
    captures: ClassVar[frozenset[tuple[str, str]]]
    """The (kind, target) pairs it can capture."""
    reads_exits: ClassVar[bool] = False
    """Whether it can read a prompt's log-probabilities off a lower layer (`engines.exits`)."""
    has_model: ClassVar[bool] = True
    """Whether its numbers are a model's: those are examined (`engines.canary`)."""

    def __init__(self, config: EngineConfig, models: Models, folder: Path | None = None) -> None:
        self.config = config
        self.models = models
        self.folder = folder

    @property
    @abstractmethod
    def roles(self) -> tuple[str, ...]:
        """The model roles that this run configured."""

    @abstractmethod
    def identity(self, role: str) -> dict[str, Any]:
        """All that decides this role's numbers, as JSON: weights, adapter, dtype, engine and version."""

    @abstractmethod
    def describe(self, role: str) -> dict[str, Any]:
        """What a person wants to read of a role in the report: names, folders, revision, sizes."""

    @abstractmethod
    def tokenizer(self, role: str) -> Tokenizer: ...

    @abstractmethod
    def context_length(self, role: str) -> int:
        """The most tokens that one request may hold, response included."""

    def vocabulary_size(self, role: str) -> int | None:
        """Token ids from this on can't be sent; None where any can."""
        return None

    def depth(self, role: str) -> int | None:
        """How many blocks a role's model has; None where nobody says."""
        return None

    @abstractmethod
    def run(
        self, spec: CaptureSpec, requests: Sequence[Request], *, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, Captured]]]:
        """Capture requests, a few at a time, in the order that suits the engine.

        Args:
            requests: all that the run asks for. What is sent together may depend on them, and on nothing else.
            done: indices of requests whose results are there already; they are not run again.

        Yields:
            What has just been finished, as (index into `requests`, result); each index once.
        """

    def second_path(
        self,
        rows: Mapping[str, Sequence[Sequence[int]]],
        pictures: Mapping[str, Sequence[Pictures]] | None = None,
    ) -> Mapping[str, Sequence[NDArray[np.float32]]] | None:
        """Log p(t_i | t_<i) for i = 1 … T−1 of each role's rows, made with none of this engine's code.

        Args:
            pictures: what is shown with each row; None: nothing, with any.

        Returns:
            By role; None where the engine shows no weights to load.

        Raises:
            EngineError: they can't be loaded that way.
        """
        return None

    def close(self) -> None:  # noqa: B027 - an engine that holds nothing has nothing to free
        """Free what `run` loaded."""

    def check(self, spec: CaptureSpec) -> None:  # noqa: B027 - most captures fit every model
        """Refuse a capture that this run's models can't have, before one is loaded.

        Raises:
            ConfigError: it asks for a layer that a model hasn't.
        """

    def refuses_pictures(self) -> str | None:
        """Why this run's models can't be shown pictures, as a message begins; None where they can."""
        return f"engine.kind: '{self.kind}' takes no pictures yet"

    def lacks_of_pictures(self, spec: CaptureSpec) -> str | None:
        """Why it can't capture this of a prompt with a picture, in words that follow a colon; None where it can."""
        return None

    def supports(self, spec: CaptureSpec) -> bool:
        return self.lacks(spec) is None

    def lacks(self, spec: CaptureSpec) -> str | None:
        """Why it can't capture this, in words that follow a colon; None where it can."""
        if spec.model not in self.roles:
            return f"models.{spec.model} is not configured"
        never = why_never(self, spec)
        if never is not None:
            return never
        if not labels_of(spec):
            return why_unusable(spec)
        tokenizer, size = self.tokenizer(spec.model), self.vocabulary_size(spec.model)
        return why_unusable(spec) or why_labels_unusable(spec, tokenizer, size)


class BatchedEngine(Engine):
    """An engine that runs one batch after another, each of them whole."""

    @abstractmethod
    def plan(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[list[int]]:
        """Batches as indices into `requests`, each index once. The same requests give the same batches."""

    @abstractmethod
    def capture(self, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        """Run one batch; results in the order of the requests."""

    def run(
        self, spec: CaptureSpec, requests: Sequence[Request], *, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, Captured]]]:
        # Planned over all of them, so that a resumed run sends the same batches as an undisturbed one.
        for batch in self.plan(spec, requests):
            missing = [index for index in batch if index not in done]
            if missing:
                yield list(zip(missing, self.capture(spec, [requests[i] for i in missing]), strict=True))


def why_never(engine: Engine | type[Engine], spec: CaptureSpec) -> str | None:
    """Why no engine of a kind can ever give a capture, in words that follow a colon; None where one may."""
    if (spec.kind, spec.fed) not in engine.captures:
        return "it doesn't record that"
    return NO_EXITS if exit_of(spec) is not None and not engine.reads_exits else None


engines: Registry[type[Engine]] = Registry("engine", "llmood.engines", "llmood.engines")


ENCODER, EMBEDDING = "encoder", "embedding"  # the role that reads words, and what it makes of them


def prompt_role(engine: Engine) -> str:
    """The role whose tokenizer makes the prompts, for every language model: the tuned one's where there is one."""
    return next((role for role in ("tuned", "base") if role in engine.roles), ENCODER)


def prompted_roles(engine: Engine) -> tuple[str, ...]:
    """The roles that are sent the samples' prompts as ids; a judge reads others, an encoder the words themselves."""
    return tuple(role for role in engine.roles if role not in ("judge", ENCODER))


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Batches of similar lengths under a budget of padded tokens, longest first; one too long is alone in its batch.

    Longest first, so that a batch that doesn't fit in memory shows at once and the time left is overestimated rather
    than under.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        if not batches or lengths[batches[-1][0]] * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
        batches[-1].append(index)
    return batches

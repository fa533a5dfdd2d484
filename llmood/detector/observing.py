"""Prompts of traffic to observations: engine and readers made once, and nothing kept of what passes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from llmood.config import RunConfig
from llmood.detector.prompts import Made
from llmood.engines.base import ENCODER, Engine, Tokenizer, prompt_role
from llmood.engines.captures import (
    EQUIVALENCE,
    required_captures,
    required_comparisons,
    richest_response,
    shows_shots,
    within_reach,
)
from llmood.engines.memory_store import MemoryStore
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer, Wanted
from llmood.engines.scratch import scratch_folder
from llmood.engines.states import HIDDEN_STATES
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.identity import digest_bytes
from llmood.judging.equivalence.choose import Readers, asked_of_engine, make_readers
from llmood.judging.equivalence.compare import compare_all
from llmood.judging.equivalence.judge_reader import JudgeReader
from llmood.paths import cache_root
from llmood.planned_engine import check_captures, make_engine
from llmood.progress import Progress
from llmood.records import OK, CaptureSpec, Split
from llmood.scorers.base import Scorer
from llmood.tables import INDEX

MEMORY_ROWS = 256  # a guard's batch: files would take longer than the scores
SCRATCH = "traffic"  # under the cache: observations of the chunk in hand


@dataclass(frozen=True, slots=True)
class Reading:
    """What a fitted scorer reads; what it learned from is behind it."""

    needs: Sequence[CaptureSpec]
    fit_needs: Sequence[CaptureSpec] = ()
    background_needs: Sequence[CaptureSpec] = ()
    fitted_on: Split | None = None
    chosen_on: Split | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What observes prompts: the engine, what it captures of each, and what compares answers. None is loaded yet.

    Attributes:
        end: the token that ends an answer, behind those that records bring.
    """

    engine: Engine
    captures: Sequence[CaptureSpec]
    comparisons: Sequence[CaptureSpec]
    readers: Readers
    end: int | None = None

    @contextmanager
    def observe(self, made: Made, store: Store | None = None) -> Iterator[Observations]:
        """The observations of some prompts, as long as the block lasts.

        Args:
            store: where they are kept; by default in memory, or of many rows in a scratch folder, until the block ends.
        """
        if not self.captures and not self.comparisons:
            yield Observations(made.samples, INDEX.empty_table(), Store(Path()))
        # An answer that a record brings was never the model's: no store of a run is to hold it.
        elif store is not None and not made.answers:
            yield self._observe(made, store)
        elif len(made.prompts) <= MEMORY_ROWS and not any(
            spec.kind == HIDDEN_STATES for spec in self.captures
        ):
            yield self._observe(made, MemoryStore())
        else:
            folder = scratch_folder(cache_root() / SCRATCH)
            try:
                yield self._observe(made, Store(folder))
            finally:
                shutil.rmtree(folder)

    def _observe(self, made: Made, store: Store) -> Observations:
        observer = TrafficObserver(self.engine, made, store, self.end)
        for spec in self.captures:
            observer.run(spec)
        index = observer.index()
        if not self.comparisons:
            return Observations(made.samples, index, store)
        asked = asked_of_engine(self.engine.models, self.comparisons)
        chat = any(prompt.chat for prompt in made.prompts)
        compared, _ = compare_all(
            self.comparisons,
            Observations(made.samples, index, store),
            store,
            self.readers.nli,
            Progress(),
            encoder=self.readers.encoder,
            judge=JudgeReader(self.engine, asked[0], chat=chat) if asked else None,
            decoder=lambda role: self.engine.tokenizer(role).decode,
            keep=True,
        )
        return Observations(made.samples, pa.concat_tables([index, compared]), store)

    def close(self) -> None:
        """Free the models."""
        self.engine.close()
        for reader in (self.readers.nli, self.readers.encoder):
            if reader is not None:
                reader.close()


class TrafficObserver(Observer):
    """An observer that takes the answers that records bring for the tuned model's."""

    def __init__(self, engine: Engine, made: Made, store: Store, end: int | None) -> None:
        super().__init__(engine, made.prompts, store, private=False)
        self._answers = made.answers
        self._end = () if end is None else (end,)

    def want(self, spec: CaptureSpec) -> Wanted:
        wanted = super().want(spec)
        if (spec.kind, spec.model, spec.target) != ("response", "tuned", "prompt") or not self._answers:
            return wanted
        rows = []
        given = [name for name in wanted.keys if name in self._answers]
        ids = answer_ids(self.engine.tokenizer(spec.model), [self._answers[name] for name in given])
        for name, tokens in zip(given, ids, strict=True):
            text = self._answers[name]
            request = wanted.requests[wanted.keys[name]]
            key = digest_bytes(f"{wanted.keys[name]}:{text}".encode())
            wanted.keys[name] = key
            wanted.requests[key] = request
            rows.append({"key": key, "status": OK, "text": text, "token_ids": [*tokens, *self._end]})
        for key in wanted.requests.keys() - set(wanted.keys.values()):
            del wanted.requests[key]
        if rows:
            wanted.context.append(rows)
        return wanted


def answer_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The ids of answers' words, with nothing before or behind them."""
    prefix = len(tokenizer.prefix_ids)
    return [ids[prefix:] for ids in tokenizer.encode(texts, rendered=False)]


def make_watch(
    config: RunConfig, folder: Path | None, scorers: Mapping[str, Scorer], *, end: int | None = None
) -> Watch:
    """What observes traffic for fitted scorers.

    Args:
        end: see `Watch`.

    Raises:
        ConfigError: a model is not there, or the engine can't capture what a scorer reads.
    """
    check_no_shots(scorers)
    needing = [Reading(scorer.needs) for scorer in scorers.values()]
    comparisons = required_comparisons(needing)
    asked = asked_of_engine(config.models, comparisons)
    response = richest_response(needing, {"max_new_tokens": config.response.max_new_tokens})
    engine, _ = make_engine(config, folder, [*required_captures(needing, response), *asked])
    captures = required_captures(needing, within_reach(engine, response))
    check_captures(engine, scorers, [*captures, *asked])
    return Watch(engine, captures, comparisons, make_readers(config, folder, comparisons), end)


def check_no_shots(scorers: Mapping[str, Scorer]) -> None:
    """Refuse what shows judged rows of `train` in its prompts: a detector keeps none.

    Raises:
        ConfigError: a scorer does.
    """
    for name, scorer in scorers.items():
        if shows_shots(scorer.needs):
            raise ConfigError(
                f"scorers: {name} shows judged answers of train, and a detector keeps no rows",
                hint=f"leave {name} out",
            )


def reads_answers(needs: Iterable[CaptureSpec]) -> bool:
    """Whether any of these can only be had once the model has answered."""
    return any(spec.needs_response or spec.kind in ("response", "generations", EQUIVALENCE) for spec in needs)


def reads_turns(needs: Iterable[CaptureSpec]) -> bool:
    """Whether any of these is made of a prompt's turns rather than of its text."""
    return any(spec.is_derived or spec.model == ENCODER or spec.kind == EQUIVALENCE for spec in needs)


def reads_words_only(engine: Engine) -> bool:
    """Whether there is no language model, whose chat template prompts could go through."""
    return prompt_role(engine) == ENCODER

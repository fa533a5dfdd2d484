"""One run cut into shards, for jobs that run on several machines at once: which samples fall to which.

Every job plans the whole run, so all of them know the same samples in the same order; each observes its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from llmood.engines.captures import SHOWN, shows_shots
from llmood.engines.prompts import Prompt
from llmood.errors import ConfigError
from llmood.identity import digest
from llmood.judging.equivalence.threshold import PLACE as THRESHOLD
from llmood.plan import Plan
from llmood.records import FAILED, OK, UNSCORED
from llmood.tables import SAMPLES

POSITION = "position"  # where a shard's sample stands among the whole run's
SHARD_SAMPLES = SAMPLES.append(pa.field(POSITION, pa.int64()))


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of a run, counted from 0.

    Raises:
        ConfigError: there is no such part.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"--shard {self}: a run has at least one shard")
        if not 0 <= self.index < self.count:
            last = Shard(self.count - 1, self.count)
            raise ConfigError(f"--shard {self}: shards are counted from 0", hint=f"0/{self.count} to {last}")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """A shard as the command line names it: `0/4` is the first of four.

        Raises:
            ConfigError: it can't be read, or there is no such part.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if found is None:
            raise ConfigError(f"--shard {text}: can't be read", hint="I/N as in 0/4, the first of four")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Cut:
    """What one shard of a run does.

    Attributes:
        plan: the run's plan with the prompts of this shard alone.
        samples: its samples as files keep them, with where each stands in the whole run.
        described: what `shard.json` says of it under `shard`.
    """

    plan: Plan
    samples: pa.Table
    described: dict[str, Any]


def cut(plan: Plan, shard: Shard) -> Cut:
    """The part of a plan that falls to one shard.

    Raises:
        ConfigError: a scorer reads text, and the run keeps none for the merge; or one shows answers to other rows.
    """
    reading = next((name for name, scorer in plan.scorers.items() if scorer.reads_text), None)
    if reading and not plan.config.text:
        raise ConfigError(
            f"scorers: {reading} reads the prompts' text, and a shard keeps none for the merge (--no-text)",
            hint="leave it out, or run without --shard",
        )
    showing = next((name for name, scorer in plan.scorers.items() if shows_shots(scorer.needs)), None)
    if showing:
        raise ConfigError(
            f"scorers: {showing} shows judged answers of {SHOWN}, and no shard has all of them",
            hint="leave it out, or run without --shard",
        )
    if plan.choosing is not None:
        raise ConfigError(
            f"{THRESHOLD} is chosen by all answers to validation, and no shard has them",
            hint="'threshold: 0.8', or run without --shard",
        )
    own = np.flatnonzero(np.array(deal(plan.prompts, shard.count)) == shard.index)
    rows = pa.array(own, pa.int64())
    described = {
        "index": shard.index,
        "count": shard.count,
        "samples": len(own),
        "of": len(plan.prompts),
        "digest": samples_digest(plan.samples),
    }
    samples = plan.kept_samples.take(rows).append_column(POSITION, rows)
    prompts = tuple(plan.prompts[row] for row in own)
    return Cut(replace(plan, prompts=prompts, samples=plan.samples.take(rows)), samples, described)


def deal(prompts: Sequence[Prompt], count: int) -> list[int]:
    """The shard of each prompt: those of a split dealt out like cards, the longest first.

    Two shards' tokens of a split therefore differ by no more than its longest prompt has. Prompts of the same token
    ids go to the same shard: they are one request, and stay one.

    >>> from llmood.engines.prompts import Prompt
    >>> deal([Prompt("a", (1,)), Prompt("b", (1, 2)), Prompt("c", (1,)), Prompt("d", (3,))], 2)
    [1, 0, 1, 0]
    """
    splits: dict[tuple[int, ...], str] = {}
    for prompt in prompts:
        splits.setdefault(prompt.token_ids, prompt.split)
    order = sorted(splits, key=lambda ids: (splits[ids], -len(ids), ids))
    shards = {ids: place % count for place, ids in enumerate(order)}
    return [shards[prompt.token_ids] for prompt in prompts]


def samples_digest(samples: pa.Table) -> str:
    """What tells the samples of one run from another's, in their order; the same with and without their text."""
    return digest([samples[name].to_pylist() for name in ("sample_id", "prompt_hash")])


def outcomes(index: pa.Table) -> dict[str, dict[str, int]]:
    """How many samples each capture was made of, by status."""
    counts = Counter(zip(index["capture"].to_pylist(), index["status"].to_pylist(), strict=True))
    return {
        capture: {status: counts[capture, status] for status in (OK, UNSCORED, FAILED)}
        for capture in dict.fromkeys(index["capture"].to_pylist())
    }

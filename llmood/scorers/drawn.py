"""What the scorers of several drawn answers share: their captures, and a block's draws as flat arrays."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.captures import EQUIVALENCE, comparison_of
from llmood.engines.observations import Block
from llmood.measures.token_statistics import Floats, Integers, sum_scored_tokens
from llmood.records import EMPTY_DRAWS, OK, CaptureSpec, Scores
from llmood.scorers.answer_tokens import says_nothing
from llmood.scorers.base import Scorer
from llmood.scorers.settings import SAME_WORDS, TEN_DRAWS, Params
from llmood.scorers.spans import any_missing, token_column
from llmood.scorers.text import NO_TEXT

CLUSTERED = ("openers", "all", "answer")
"""The comparisons that number the draws."""

ONE_ANSWER = "one answer: nothing to compare"
NO_LOGPROBS = "some draws have no log-probabilities"
UNDEFINED = "not defined for these answers"


@dataclass(frozen=True, slots=True)
class Drawn:
    """The draws of n samples that say something, m in all, those of a sample behind each other.

    Attributes:
        offsets: int64 (n + 1,): which draws are a sample's.
        texts: m.
        log_likelihoods: float64 (m,), a sum over a draw's tokens; NaN where it has no log-probabilities.
        tokens: int64 (m,), how many tokens that is a sum of.
        sequences: int64 (m,), equal for equal token ids (for equal words, where there are no ids).
        places: int64 (m,), which of the block's draws (`Block.many`) each is.
        clusters: int64 (m,), the number of each draw's cluster in its sample; empty where none were made.
        contradiction, entailment: for each sample, how far each draw (row) contradicts and entails each (column),
            float64 (K, K); empty where not all pairs were compared.
    """

    offsets: Integers
    texts: Sequence[str]
    log_likelihoods: Floats
    tokens: Integers
    sequences: Integers
    places: Integers
    clusters: Integers
    contradiction: Sequence[Floats] = ()
    entailment: Sequence[Floats] = ()


class ReadsDraws(Scorer):
    """A scorer that reads several answers to one prompt, maybe beside other things.

    Args:
        generations: how they were drawn (the run's `generations`).
        equivalence: when two of them say the same (the run's `equivalence`).
    """

    reads_answers = True
    compared: ClassVar[str | None] = "openers"
    """What has to be compared: the pairs that clusters need, all of them (`all`), or something else; or nothing."""
    least: ClassVar[int] = 2
    """How many draws have to say something."""

    columns: ClassVar[Mapping[str, list[str]]] = {
        "generations": ["text", "finish", "token_ids", "logprobs"],
        "equivalence": ["cluster", "contradiction", "entailment"],
    }

    def __init__(self, *, generations: Params = TEN_DRAWS, equivalence: Params = SAME_WORDS) -> None:
        self.generations = generations
        self.equivalence = equivalence

    @property
    def reads_logprobs(self) -> bool:
        """Whether it needs each draw's log-likelihood."""
        return False

    @property
    def least_draws(self) -> int:
        return self.least

    @property
    def draws(self) -> CaptureSpec:
        """The capture of the draws."""
        return CaptureSpec.of("generations", "tuned", "prompt", **self.generations)

    @property
    def rule(self) -> Params:
        """The equivalence as this scorer takes it."""
        return self.equivalence

    @property
    def comparison(self) -> CaptureSpec | None:
        """The capture of what they have in common."""
        if self.compared is None:
            return None
        return comparison_of(self.compared, self.rule, self.generations)

    @property
    def token_columns(self) -> Mapping[str, str]:
        return {"generations": "logprobs"} if self.reads_logprobs else {}

    @property
    def definition(self) -> str | None:
        return None if self.comparison is None else described(self.rule)

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return (self.draws,) if self.comparison is None else (self.draws, self.comparison)

    @abstractmethod
    def of_rows(self, block: Block, drawn: Drawn, rows: NDArray[np.intp]) -> Floats:
        """Of some rows of a block, each with `least` draws or more: (n,); higher = more uncertain.

        NaN where it isn't defined.
        """

    def score(self, block: Block) -> Scores:
        table, offsets = block.many(self.draws)
        kept, reasons = self._kept(table, offsets)
        compared = (block[spec] for spec in self.needs if spec.kind == EQUIVALENCE)
        reasons = first_reasons(self._unread(block), reasons, *map(reasons_of, compared))
        values = np.full(len(block), np.nan)
        rows = np.flatnonzero([reason is None for reason in reasons])
        if len(rows):
            values[rows] = self.of_rows(block, self._drawn(block, table, offsets, kept, rows), rows)
        for row in rows[np.isnan(values[rows])]:
            reasons[row] = UNDEFINED
        return Scores(values, reasons)

    def _unread(self, block: Block) -> list[str | None]:
        """Why a row can't be scored, where that is not for its draws."""
        return [None] * len(block)

    def _kept(self, table: pa.Table, offsets: Integers) -> tuple[NDArray[np.bool_], list[str | None]]:
        """Which draws say something, and of each sample why it can't be scored."""
        status, why, texts = (table[name].to_pylist() for name in ("status", "reason", "text"))
        kept = ~says_nothing(table)
        known = np.ones(len(kept), dtype=np.bool_)
        if self.reads_logprobs:
            logprobs, bounds = token_column(table, "logprobs")
            known = (np.diff(bounds) > 0) & ~any_missing(logprobs, bounds)
        reasons: list[str | None] = []
        for first, last in pairwise(offsets.tolist()):
            own = slice(first, last)
            missing = next((at for at in range(first, last) if status[at] != OK), None)
            said = int(kept[own].sum())
            if missing is not None:
                reasons.append(why[missing] or status[missing])
            elif self.reads_answers and all(text is None for text in texts[own]):
                reasons.append(NO_TEXT)
            elif said < self.least:
                reasons.append(ONE_ANSWER if said else EMPTY_DRAWS)
            else:
                reasons.append(None if known[own][kept[own]].all() else NO_LOGPROBS)
        return kept, reasons

    def _drawn(
        self,
        block: Block,
        table: pa.Table,
        offsets: Integers,
        kept: NDArray[np.bool_],
        rows: NDArray[np.intp],
    ) -> Drawn:
        """The draws of some rows as arrays."""
        places = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows])
        places = places[kept[places]]
        counts = [int(kept[offsets[row] : offsets[row + 1]].sum()) for row in rows]
        own = table.take(pa.array(places))
        texts = [(text or "").strip() for text in own["text"].to_pylist()]
        logprobs, bounds = token_column(own, "logprobs")
        sums, tokens = sum_scored_tokens(logprobs, bounds)
        sums[(tokens == 0) | any_missing(logprobs, bounds)] = np.nan
        said = [
            tuple(ids) if ids else text for ids, text in zip(own["token_ids"].to_pylist(), texts, strict=True)
        ]
        number: dict[Any, int] = {}
        return Drawn(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            texts,
            sums,
            tokens,
            np.array([number.setdefault(each, len(number)) for each in said], np.int64),
            places.astype(np.int64),
            **self._compared(block, rows),
        )

    def _compared(self, block: Block, rows: NDArray[np.intp]) -> dict[str, Any]:
        """Clusters and matrices of the draws that say something."""
        if self.comparison is None or self.compared not in CLUSTERED:
            return {"clusters": np.zeros(0, np.int64)}
        table = block[self.comparison].take(pa.array(rows))
        clusters = table["cluster"].to_pylist()
        said = [[place for place, number in enumerate(own) if number is not None] for own in clusters]
        found: dict[str, Any] = {
            "clusters": np.array(
                [number for own in clusters for number in own if number is not None], np.int64
            )
        }
        for name in ("contradiction", "entailment") if self.compared == "all" else ():
            found[name] = [
                np.array(values, np.float64).reshape(len(own), len(own))[np.ix_(kept, kept)]
                for values, own, kept in zip(table[name].to_pylist(), clusters, said, strict=True)
            ]
        return found


class FromDraws(ReadsDraws):
    """A scorer of what the answers to one prompt have in common, and of nothing else."""

    @abstractmethod
    def uncertainty(self, drawn: Drawn) -> Floats:
        """Of samples with at least two draws each, (n,); higher = more uncertain. NaN where it isn't defined."""

    def of_rows(self, block: Block, drawn: Drawn, rows: NDArray[np.intp]) -> Floats:
        return self.uncertainty(drawn)


def described(equivalence: Params) -> str:
    """When two answers say the same, as it stands beside a score."""
    return "equivalence: " + ", ".join(f"{name}={value}" for name, value in equivalence.items())


def reasons_of(table: pa.Table) -> list[str | None]:
    """Of each row of a capture, why it isn't there; None where it is."""
    status, reasons = table["status"].to_pylist(), table["reason"].to_pylist()
    return [None if state == OK else reason or state for state, reason in zip(status, reasons, strict=True)]


def first_reasons(*reasons: Sequence[str | None]) -> list[str | None]:
    """Of each row, the first reason that there is."""
    return [
        next((reason for reason in row if reason is not None), None) for row in zip(*reasons, strict=True)
    ]

"""Comparing each sample's draws: observations of which of them say the same, beside those of the models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.engines.captures import compared_answers
from llmood.engines.observations import Block, Observations
from llmood.engines.store import Context, Location, Store
from llmood.identity import digest
from llmood.judging.equivalence.nli_model import NliModel
from llmood.judging.equivalence.rules import AnswerPair, ExactRule, NliRule, Rule
from llmood.judging.equivalence.verdicts import Verdicts
from llmood.measures.clustering import opener_clusters
from llmood.measures.token_statistics import Integers
from llmood.progress import Progress
from llmood.records import OK, UNSCORED, CaptureSpec
from llmood.tables import INDEX

BLOCK_ROWS = 512  # questions whose pairs are asked together
ALL_PAIRS = "all"


@dataclass(frozen=True, slots=True)
class Draws:
    """One sample's answers, each different one once.

    Attributes:
        texts: the different answers that say something, in the order in which they first came.
        place: of each draw, the index of its text; −1 where it says nothing.
    """

    sample_id: str
    question: str
    texts: tuple[str, ...]
    place: tuple[int, ...]

    @property
    def content(self) -> str:
        return digest([self.question, self.texts, self.place])


@dataclass(slots=True)
class Count:
    """What comparing took.

    Attributes:
        samples: those that weren't compared before.
        pairs: their ordered pairs of draws.
        compared: how many pairs of different words the clusters needed.
        asked: how many pairs of texts a model read for it.
    """

    samples: int = 0
    pairs: int = 0
    compared: int = 0
    asked: int = 0


def compared_too(
    specs: Sequence[CaptureSpec],
    observations: Observations,
    index: pa.Table,
    store: Store,
    nli: NliModel | None,
    progress: Progress,
) -> tuple[pa.Table, dict[str, dict[str, int]]]:
    """The index with those comparisons that it lacks, and of each of these what it took."""
    lacking = [spec for spec in specs if not observations.has(spec)]
    further, counts = compare_all(lacking, observations, store, nli, progress)
    return pa.concat_tables([index, further]), counts


def compare_all(
    specs: Sequence[CaptureSpec],
    observations: Observations,
    store: Store,
    nli: NliModel | None,
    progress: Progress,
) -> tuple[pa.Table, dict[str, dict[str, int]]]:
    """Make comparisons of draws that were observed, one after the other.

    Returns:
        Rows of `tables.INDEX`, and of each comparison what it took.
    """
    verdicts = Verdicts(nli.ask, nli.identity, store) if nli is not None else None
    tables, counts = [INDEX.empty_table()], {}
    try:
        # All pairs first: what clusters need is among them.
        for spec in sorted(specs, key=lambda spec: dict(spec.params).get("pairs") != ALL_PAIRS):
            before = verdicts.asked if verdicts else 0
            table, count = compare_answers(spec, _rule(spec, verdicts), observations, store, progress)
            count.asked = verdicts.asked - before if verdicts else 0
            tables.append(table)
            counts[spec.id] = asdict(count)
    finally:
        if verdicts is not None:
            verdicts.flush()  # also when interrupted: what a model has read is not read again
        if nli is not None:
            nli.close()
    return pa.concat_tables(tables), counts


def _rule(spec: CaptureSpec, verdicts: Verdicts | None) -> Rule:
    params: dict[str, Any] = dict(spec.params)
    if params["rule"] == "exact":
        return ExactRule()
    if verdicts is None:
        raise ValueError(f"{spec.id} without a model that reads pairs")
    return NliRule(verdicts, mode=params["mode"], question=params["question"])


def compare_answers(
    spec: CaptureSpec, rule: Rule, observations: Observations, store: Store, progress: Progress
) -> tuple[pa.Table, Count]:
    """Observe which draws of each sample say the same.

    Args:
        spec: of kind `equivalence`; its parameters hold those of the draws that it compares.

    Returns:
        Rows of `tables.INDEX`, one a sample, and what was compared.
    """
    drawn = compared_answers(spec)
    identity = {"engine": rule.identity, "target": spec.target, "params": dict(spec.params)}
    context = store.context(spec.kind, identity)
    count, index = Count(), []
    made = observations.having(drawn)
    with progress.track(spec.id, made.samples.num_rows) as advance:
        for block in made.blocks([drawn], {"generations": ["text"]}, size=BLOCK_ROWS):
            index += _compare_block(block, spec, drawn, rule, context, count)
            advance(len(block))
    return pa.Table.from_pylist(index, schema=INDEX), count


def _compare_block(
    block: Block, spec: CaptureSpec, drawn: CaptureSpec, rule: Rule, context: Context, count: Count
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    answered: dict[str, list[Draws]] = {}  # by key: the same question and answers are compared once
    for found in _read(block, drawn):
        if isinstance(found, Draws):
            answered.setdefault(context.key(found.content), []).append(found)
        else:
            rows.append({**found, "capture": spec.id})
    located = context.locate(set(answered))
    new = {key: found[0] for key, found in answered.items() if key not in located}
    if new:
        every = dict(spec.params).get("pairs") == ALL_PAIRS
        located |= context.append(_verdicts(new, rule, count, every=every))
    for key, samples in answered.items():
        rows += [_indexed(sample.sample_id, spec, key, located[key]) for sample in samples]
    return rows


def _verdicts(new: Mapping[str, Draws], rule: Rule, count: Count, *, every: bool) -> list[dict[str, Any]]:
    """The store's rows of some samples."""
    samples = list(new.values())

    def same(sample: Integers, opener: Integers, answer: Integers) -> NDArray[np.bool_]:
        asked = [
            _pair(samples[at], *pair) for at, *pair in zip(*map(list, (sample, opener, answer)), strict=True)
        ]
        count.compared += len(asked)
        return np.array(rule.same(asked), dtype=np.bool_)

    sizes = np.array([len(sample.texts) for sample in samples], dtype=np.int64)
    clusters = np.split(opener_clusters(sizes, same), np.cumsum(sizes)[:-1])
    matrices = _matrices(samples, rule) if every else [{}] * len(samples)
    count.samples += len(samples)
    count.pairs += sum(len(sample.place) * (len(sample.place) - 1) for sample in samples)
    return [
        {
            "key": key,
            "status": OK,
            "reason": None,
            "cluster": [None if at < 0 else int(cluster[at]) for at in sample.place],
            **matrix,
        }
        for key, sample, cluster, matrix in zip(new, samples, clusters, matrices, strict=True)
    ]


def _matrices(samples: Sequence[Draws], rule: Rule) -> list[dict[str, list[float]]]:
    """Of each sample, how far each draw contradicts and entails each; a text entails itself."""
    asked = [
        (number, pair)
        for number, sample in enumerate(samples)
        for pair in permutations(range(len(sample.texts)), 2)
    ]
    found = rule.entailment([_pair(samples[number], *pair) for number, pair in asked])
    own = [np.stack([np.zeros((len(s.texts),) * 2), np.eye(len(s.texts))], axis=-1) for s in samples]
    for (number, (first, second)), values in zip(asked, found, strict=True):
        own[number][first, second] = values
    matrices = []
    for sample, values in zip(samples, own, strict=True):
        # Draws that say nothing entail nothing and contradict nothing; who reads them leaves them out by `cluster`.
        places = np.array(sample.place)
        full = values[np.ix_(places, places)]
        full[places < 0] = full[:, places < 0] = 0.0
        matrices.append(
            {"contradiction": full[..., 0].ravel().tolist(), "entailment": full[..., 1].ravel().tolist()}
        )
    return matrices


def _pair(sample: Draws, first: int, second: int) -> AnswerPair:
    return AnswerPair(sample.question, sample.texts[first], sample.texts[second])


def _read(block: Block, drawn: CaptureSpec) -> Iterator[Draws | dict[str, Any]]:
    """Each sample's draws, or its row of the index where it has none to compare."""
    table, offsets = block.many(drawn)
    status, reasons, texts = (table[name].to_pylist() for name in ("status", "reason", "text"))
    names = block.samples["sample_id"].to_pylist()
    for row, (name, question) in enumerate(zip(names, questions(block.samples), strict=True)):
        own = slice(offsets[row], offsets[row + 1])
        missing = next((at for at in range(own.start, own.stop) if status[at] != OK), None)
        if missing is not None:
            yield {"sample_id": name, "status": status[missing], "reason": reasons[missing]}
            continue
        said = [(text or "").strip() for text in texts[own]]
        known = tuple(dict.fromkeys(text for text in said if text))
        if not known:
            yield {"sample_id": name, "status": UNSCORED, "reason": "every draw is empty"}
            continue
        place = {text: at for at, text in enumerate(known)}
        yield Draws(name, question, known, tuple(place.get(text, -1) for text in said))


def questions(samples: pa.Table) -> list[str]:
    """What was asked: the last turn's words, without template; the prompt where there are no turns."""
    found = []
    for messages, prompt in zip(samples["messages"].to_pylist(), samples["prompt"].to_pylist(), strict=True):
        turns = json.loads(messages) if messages else []
        parts = turns[-1]["content"] if turns else []
        words = " ".join(part["text"] for part in parts if part.get("type") == "text")
        found.append((words or prompt or "").strip())
    return found


def _indexed(sample_id: str, spec: CaptureSpec, key: str, place: Location) -> dict[str, Any]:
    return {
        "sample_id": sample_id,
        "capture": spec.id,
        "key": key,
        "shard": place.shard,
        "row": place.row,
        "status": OK,
        "reason": None,
        "draw": None,
    }

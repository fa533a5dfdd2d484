"""Comparing each sample's answers: observations of what they have in common, beside those of the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

import pyarrow as pa

from llmood.engines.captures import ALTERNATIVES, OF_TOKENS, SPREAD, compared
from llmood.engines.encoder_model import EncoderModel
from llmood.engines.observations import Block, Observations
from llmood.engines.store import Context, Location, Store
from llmood.judging.equivalence.alternatives import FURTHER, Alternatives
from llmood.judging.equivalence.between_draws import BetweenDraws
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Unread
from llmood.judging.equivalence.embeddings import Embeddings
from llmood.judging.equivalence.judge_reader import JudgeReader
from llmood.judging.equivalence.nli_model import NliModel
from llmood.judging.equivalence.relevance import Decode, TokenRelevance
from llmood.judging.equivalence.rules import (
    EmbeddingRule,
    ExactRule,
    JudgeRule,
    NliRule,
    NumericRule,
    Rule,
)
from llmood.judging.equivalence.spread import DrawsSpread
from llmood.judging.equivalence.support import SentenceSupport
from llmood.judging.equivalence.verdicts import NoVerdictError, Verdicts
from llmood.judging.equivalence.with_answer import WithAnswer
from llmood.progress import Progress
from llmood.records import FAILED, OK, CaptureSpec
from llmood.tables import INDEX

BLOCK_ROWS = 512  # questions whose pairs are asked together
ALL_PAIRS = "all"
NO_VERDICT = "the model that compares failed on a pair of these answers"
COLUMNS = ["text", "token_ids"]


class Item(Protocol):
    """What is compared of one sample."""

    @property
    def sample_id(self) -> str: ...

    @property
    def content(self) -> str: ...


class Comparison(Protocol):
    """One of the things that answers are compared for."""

    def read(self, block: Block) -> Iterator[Any]:
        """Each sample's `Item`, or its `Unread`."""

    def observe(self, samples: Sequence[Any], rule: Rule, count: Count) -> list[dict[str, Any]]:
        """The columns of each item's row."""


def compare_all(
    specs: Sequence[CaptureSpec],
    observations: Observations,
    store: Store,
    nli: NliModel | None,
    progress: Progress,
    *,
    encoder: EncoderModel | None = None,
    judge: JudgeReader | None = None,
    decoder: Callable[[str], Decode] | None = None,
    keep: bool = False,
) -> tuple[pa.Table, dict[str, dict[str, int]]]:
    """Make comparisons of answers that were observed, one after the other.

    Args:
        decoder: of a model's role, what makes text of its answers' token ids.
        keep: the models stay loaded, for whoever compares again; else they are freed.

    Returns:
        Rows of `tables.INDEX`, and of each comparison what it took.
    """
    verdicts: dict[str, Verdicts[Any]] = {}
    if nli is not None:
        verdicts["nli"] = Verdicts(nli.ask, nli.identity, store, contradicts=nli.contradicts)
    if judge is not None:
        verdicts["judge"] = Verdicts(judge.ask, judge.identity, store, contradicts=judge.contradicts)
    embeddings = Embeddings(encoder.embed, encoder.identity, store) if encoder is not None else None
    models: list[Verdicts[Any] | Embeddings] = [*verdicts.values()]
    models += [] if embeddings is None else [embeddings]
    tables: dict[CaptureSpec, pa.Table] = {}
    counts: dict[str, dict[str, int]] = {}
    try:
        # All pairs first: what clusters need is among them.
        for spec in sorted(specs, key=lambda spec: dict(spec.params).get("pairs") != ALL_PAIRS):
            before = sum(model.asked for model in models)
            unread = 0 if judge is None else judge.unread
            cut = 0 if nli is None else nli.cut
            rule = _rule(spec, verdicts, embeddings)
            tables[spec], count = compare_answers(spec, rule, observations, store, progress, decoder=decoder)
            if judge is not None:
                judge.check_alive()
            count.asked = sum(model.asked for model in models) - before
            count.unread = 0 if judge is None else judge.unread - unread
            count.cut = 0 if nli is None else nli.cut - cut
            counts[spec.id] = asdict(count)
    finally:
        for model in models:
            model.flush()  # also when interrupted: what a model has read is not read again
        for loaded in () if keep else (nli, encoder, judge):
            if loaded is not None:
                loaded.close()
    return pa.concat_tables([INDEX.empty_table(), *(tables[spec] for spec in specs)]), counts


def compare_answers(
    spec: CaptureSpec,
    rule: Rule,
    observations: Observations,
    store: Store,
    progress: Progress,
    *,
    decoder: Callable[[str], Decode] | None = None,
) -> tuple[pa.Table, Count]:
    """Observe what each sample's answers have in common.

    Args:
        spec: of kind `equivalence`; its parameters hold those of the answers that it compares.

    Returns:
        Rows of `tables.INDEX`, one a sample, and what was compared.
    """
    comparison = _comparison(spec, decoder)
    identity = {"engine": rule.identity, "target": spec.target, "params": dict(spec.params)}
    context = store.context(spec.kind, identity)
    count, index = Count(), []
    answers = compared(spec)
    made = observations.having(answers[0])
    further = FURTHER if isinstance(comparison, Alternatives) else []
    columns = {answer.kind: COLUMNS + further for answer in answers}
    with progress.track(spec.id, made.samples.num_rows) as advance:
        for block in made.blocks(list(answers), columns, size=BLOCK_ROWS):
            index += _compare_block(block, spec, comparison, rule, context, count)
            advance(len(block))
    # In the samples' order, whatever was compared before: a merged run has it so.
    order = {name: place for place, name in enumerate(made.samples["sample_id"].to_pylist())}
    index.sort(key=lambda row: order[row["sample_id"]])
    return pa.Table.from_pylist(index, schema=INDEX), count


def _rule(spec: CaptureSpec, verdicts: Mapping[str, Verdicts[Any]], embeddings: Embeddings | None) -> Rule:
    params: dict[str, Any] = dict(spec.params)
    if params["rule"] == "exact":
        return ExactRule()
    if params["rule"] == "numeric":
        return NumericRule()
    if params["rule"] == "embedding" and embeddings is not None:
        # What looks at the vectors themselves names no threshold.
        threshold = params.get("threshold", 1.0)
        return EmbeddingRule(embeddings, threshold=threshold, question=params["question"])
    if params["rule"] == "nli" and "nli" in verdicts:
        return NliRule(verdicts["nli"], mode=params["mode"], question=params["question"])
    if params["rule"] == "judge" and "judge" in verdicts:
        return JudgeRule(verdicts["judge"], question=params["question"])
    raise ValueError(f"{spec.id} without a model that reads answers")


def _comparison(spec: CaptureSpec, decoder: Callable[[str], Decode] | None) -> Comparison:
    pairs = dict(spec.params)["pairs"]
    if pairs == "answer":
        return WithAnswer(spec)
    if pairs == SPREAD:
        return DrawsSpread(spec)
    if pairs == "sentences":
        return SentenceSupport(spec)
    decode = decoder(spec.model) if decoder else None
    if pairs == ALTERNATIVES:
        return Alternatives(spec, decode)
    if pairs in OF_TOKENS:
        return TokenRelevance(spec, decode)
    return BetweenDraws(spec, every=pairs == ALL_PAIRS)


def _compare_block(
    block: Block, spec: CaptureSpec, comparison: Comparison, rule: Rule, context: Context, count: Count
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    answered: dict[str, list[Item]] = {}  # by key: the same question and answers are compared once
    for found in comparison.read(block):
        if isinstance(found, dict):
            unread: Unread = found
            rows.append({**unread, "capture": spec.id})
        else:
            answered.setdefault(context.key(found.content), []).append(found)
    located = context.locate(set(answered))
    new = {key: found[0] for key, found in answered.items() if key not in located}
    if new:
        observed = _observe(comparison, new, rule, count)
        count.samples += len(observed)
        count.failed += len(new) - len(observed)
        located |= context.append(
            [{"key": key, "status": OK, "reason": None, **columns} for key, columns in observed.items()]
        )
    for key, samples in answered.items():
        if key in located:
            rows += [_indexed(sample.sample_id, spec, key, located[key]) for sample in samples]
        else:
            failed = {"capture": spec.id, "status": FAILED, "reason": NO_VERDICT}
            rows += [{**failed, "sample_id": sample.sample_id} for sample in samples]
    return rows


def _observe(
    comparison: Comparison, items: Mapping[str, Item], rule: Rule, count: Count
) -> dict[str, dict[str, Any]]:
    """The columns of each item by key, without those that a model failed on."""
    before = replace(count)
    try:
        return dict(zip(items, comparison.observe(list(items.values()), rule, count), strict=True))
    except NoVerdictError:
        # One by one: what was said stays known, and what failed is not asked again.
        count.pairs, count.compared = before.pairs, before.compared
        if len(items) == 1:
            return {}
    found: dict[str, dict[str, Any]] = {}
    for key, item in items.items():
        found |= _observe(comparison, {key: item}, rule, count)
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

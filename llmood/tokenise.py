"""Every prompt's text and token ids, made once and sent to every model alike."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from llmood.config import RunConfig
from llmood.engines.base import ENCODER, Engine, prompt_role, prompted_roles
from llmood.engines.placing import Placed
from llmood.engines.prompts import Prompt, Unmade, ids_of, is_chat, prompt_text, read_prompts
from llmood.errors import ConfigError
from llmood.identity import digest
from llmood.lineage import with_parents
from llmood.picture_records import Corruptions
from llmood.records import (
    BACKGROUND,
    CALIBRATION,
    EVALUATED,
    Part,
    Population,
    Reject,
    Sample,
    Shift,
    Split,
    parts_of,
)
from llmood.tables import SAMPLES
from llmood.tasks import LoadedTask

# The reasons of a reject that may hold a piece of the row: whole behind these words, else between quotes.
_QUOTING = re.compile(r"^(wrong type|the template fails):.*", re.DOTALL)
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_LISTING = re.compile(r"(?<=\)), but .*", re.DOTALL)  # the keys of a record that has none of the right ones


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task of the benchmark, loaded.

    `family` is what the grades of its shift are called together; `corruptions` what was done to another task to make
    it; `fitted` are the splits that scorers learn from;
    `calibrated` says whether its `calibration` rows are scored, and `measured` whether its `test` rows are.
    """

    loaded: LoadedTask
    population: Population
    shift: Shift
    severity: int | None = None
    note: str | None = None
    family: str | None = None
    corruptions: Corruptions | None = None
    fitted: tuple[Split, ...] = ()
    calibrated: bool = False
    measured: bool = True

    @property
    def name(self) -> str:
        return self.loaded.spec.name

    @property
    def samples(self) -> list[Sample]:
        """What is evaluated of it; of a background, what is read."""
        if self.population == BACKGROUND:
            return [sample for samples in self.loaded.samples.values() for sample in samples]
        return self.loaded.samples[EVALUATED] if self.measured else []

    @property
    def calibration(self) -> list[Sample]:
        """What confidences and thresholds are made of."""
        return self.loaded.samples[CALIBRATION] if self.calibrated else []

    def part(self, sample: Sample) -> Part:
        """Which of the run's rows one of its samples is."""
        return BACKGROUND if self.population == BACKGROUND else sample.split


def tokenise(
    tasks: Sequence[PlannedTask], engine: Engine, config: RunConfig
) -> tuple[tuple[Prompt, ...], pa.Table]:
    """Every prompt's text and ids, once, by the tuned model's tokenizer (else the base's, else the encoder's)."""
    prompts: list[Prompt] = []
    rows: list[dict[str, Any]] = []
    # What is measured first: it stands in the same rows whatever else is read.
    parts = [(task, task.samples) for task in tasks if task.population != BACKGROUND]
    parts += [(task, task.loaded.samples[split]) for task in tasks for split in task.fitted]
    parts += [(task, task.calibration) for task in tasks]
    parts += [(task, task.samples) for task in tasks if task.population == BACKGROUND]
    for task, samples in parts:
        for sample, text, chat, each in zip(samples, *read_all(samples, engine, config), strict=True):
            row = ids_of(each)
            prompts.append(
                Prompt(
                    sample.sample_id,
                    row,
                    task.part(sample),
                    sample.messages,
                    chat,
                    sample.references,
                    sample.pictures,
                    each.places if isinstance(each, Placed) else (),
                    each if isinstance(each, Unmade) else None,
                )
            )
            own = sample_row(
                sample, text, len(row), population=task.population, shift=task.shift, part=task.part(sample)
            )
            rows.append(own if task.severity is None else {**own, "severity": task.severity})
    return tuple(prompts), with_parents(pa.Table.from_pylist(rows, schema=SAMPLES))


def read_all(
    samples: Sequence[Sample], engine: Engine, config: RunConfig
) -> tuple[list[str], list[bool], list[Placed | Unmade]]:
    """The texts of samples, whether each went through the chat template, and its ids or why it has none."""
    role = prompt_role(engine)
    wanted = False if role == ENCODER else config.chat  # an encoder reads the bare words
    tokenizer = engine.tokenizer(role)
    other = engine.tokenizer("base") if "base" in engine.roles else tokenizer
    texts = [prompt_text(sample, tokenizer, wanted, f"models.{role}") for sample in samples]
    rendered = [is_chat(sample, wanted) for sample in samples]
    read = read_prompts(tokenizer, samples, texts, rendered)
    ids = [ids_of(each) for each in read]
    if other.identity != tokenizer.identity:
        theirs = read_prompts(other, samples, texts, rendered)
        _check_same_ids(samples, ids, [ids_of(each) for each in theirs])
    _check_embedded(samples, ids, engine)
    return texts, rendered, read


def _check_embedded(samples: Sequence[Sample], ids: list[tuple[int, ...]], engine: Engine) -> None:
    """A tokenizer that has grown since its model was saved makes ids that the model has no embedding for."""
    for role in prompted_roles(engine):
        size = engine.vocabulary_size(role)
        for sample, row in zip(samples, ids, strict=True):
            if size is not None and row and max(row) >= size:
                raise ConfigError(
                    f"models.{role}: its tokenizer makes the token id {max(row)} of {sample.source_line}, "
                    f"and the model has {size} embeddings",
                    hint="give the model its own tokenizer files",
                )


def _check_same_ids(
    samples: Sequence[Sample], tuned: list[tuple[int, ...]], base: list[tuple[int, ...]]
) -> None:
    for sample, ours, theirs in zip(samples, tuned, base, strict=True):
        if ours != theirs:
            raise ConfigError(
                f"models: base and tuned read the same text as different tokens ({sample.source_line}: "
                f"{len(theirs)} tokens by base, {len(ours)} by tuned), so their likelihoods don't compare",
                hint="give both models the same tokenizer files",
            )


def sample_row(
    sample: Sample,
    prompt: str,
    tokens: int,
    *,
    population: Population = "id",
    shift: Shift = "none",
    part: Part,
) -> dict[str, Any]:
    """A row of `tables.SAMPLES`.

    Args:
        prompt: its text, as the model is sent it.
        tokens: of that.
        part: which of the run's rows it is.
    """
    return {
        "sample_id": sample.sample_id,
        "task": sample.task,
        "population": population,
        "split": part,
        "shift": shift,
        "severity": sample.severity,
        "domain": sample.domain,
        "label": sample.label,
        "group": sample.group,
        "parent_id": sample.parent_id,
        "language": sample.language,
        "messages": json.dumps(parts_of(sample.messages, sample.images), ensure_ascii=False),
        "prompt": prompt,
        "prompt_hash": digest([prompt, *sample.images] if sample.images else prompt),
        "references": list(sample.references),
        "choices": list(sample.choices),
        "images": list(sample.images),
        "votes": list(sample.votes.values()),
        "meta": json.dumps(dict(sample.meta), ensure_ascii=False, sort_keys=True),
        "source_line": sample.source_line,
        "prompt_tokens": tokens,
    }


def without_text(samples: pa.Table) -> pa.Table:
    """The samples table without a user's words (`--no-text`): texts are emptied, labels and groups become hashes."""
    for name in ("messages", "prompt", "references", "choices", "images", "meta"):
        samples = _replaced(samples, name, [None] * samples.num_rows)
    # A sample's id is a hash already, and says which samples belong together.
    known = set(samples["sample_id"].to_pylist())
    for name in ("domain", "label", "group", "parent_id"):
        values = samples[name].to_pylist()
        hashed = [value if value is None or value in known else digest(value) for value in values]
        samples = _replaced(samples, name, hashed)
    return samples


def hidden_once(samples: pa.Table) -> pa.Table:
    """The same of samples that may be without words already: hashes aren't hashed again."""
    return samples if samples["prompt"].null_count == samples.num_rows else without_text(samples)


def without_values(reject: Reject) -> Reject:
    """A reject whose reason quotes nothing of its row (`--no-text`)."""
    return replace(reject, reason=unquoted(reject.reason))


def unquoted(reason: str) -> str:
    """A reason that quotes nothing of the row that it is about."""
    return _QUOTED.sub("'…'", _LISTING.sub("", _QUOTING.sub(r"\1", reason)))


def _replaced(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    position = table.schema.get_field_index(name)
    field = table.schema.field(position)
    return table.set_column(position, field, pa.array(values, field.type))

"""Which rule judges the answers of which task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from llmood.correctness_choice import LABELS, NONE, TASK, Choice
from llmood.errors import ConfigError
from llmood.judging.base import COLUMNS, Rule, rules
from llmood.judging.labels import Label, read_labels

IMPORTED = "imported"  # the verdicts that came with imported rows
PLACE = "correctness"


@dataclass(frozen=True)
class Judging:
    """How a run's answers are judged.

    Attributes:
        rules: the rule of each task; none where verdicts are given.
        labels: verdicts by sample id, from elsewhere.
        source: what records call those.
        asked: whether the configuration asks for answers, also where no scorer needs them.
    """

    rules: Mapping[str, Rule]
    labels: Mapping[str, Label] | None = None
    source: str = LABELS
    asked: bool = False


def make_judging(
    choice: Choice | None,
    tasks: Sequence[Mapping[str, Any]],
    samples: pa.Table,
    *,
    relative_to: Path | None = None,
    imported: bool = False,
) -> Judging | None:
    """How a run's answers are to be judged; None where they aren't.

    Args:
        choice: the configuration's `correctness`.
        tasks: name and `correctness` of each.
        samples: with their references and choices.
        relative_to: where the path of a file of labels starts.
        imported: whether the samples came with verdicts of their own, which win unless a choice was made.

    Raises:
        ConfigError: a rule or an argument is unknown, labels can't be read, or nothing can be judged though it is
            asked for.
    """
    if choice == NONE:
        return None
    if isinstance(choice, Mapping) and LABELS in choice:
        path = (relative_to or Path()) / str(choice[LABELS])
        known = set(samples["sample_id"].to_pylist())
        return Judging({}, read_labels(path, known, place=f"{PLACE}.{LABELS}"))
    given = _given_labels(samples) if imported and choice is None else {}
    if given:
        return Judging({}, given, IMPORTED)
    own = chosen_rule(choice)
    if imported and own is not None and own.asks_model:
        raise ConfigError(
            f"{PLACE}: {own.name} asks a model, and an import runs none", hint="take another rule"
        )
    chosen = {
        task["name"]: own or _rule_of(task, samples.filter(pc.equal(samples["task"], task["name"])))
        for task in tasks
    }
    wanted = [task["name"] for task in tasks if _can_judge(chosen[task["name"]], samples, task["name"])]
    if wanted:
        return Judging(chosen, asked=choice is not None)
    if choice is not None:
        lacking = " and ".join(sorted(set().union(*(rule.reads for rule in chosen.values())) & set(COLUMNS)))
        raise ConfigError(
            f"{PLACE}: no task of the benchmark has {lacking} to judge answers by",
            hint="import rows that have them (--field references=COLUMN)"
            if imported
            else "a task's 'fields' name the columns",
        )
    return None


def chosen_rule(choice: Choice | None) -> Rule | None:
    """The one rule that a configuration names for all tasks, if it does."""
    named = choice not in (None, TASK, NONE) and not (isinstance(choice, Mapping) and LABELS in choice)
    return _rule(choice, PLACE) if named and choice is not None else None


def _rule(choice: Choice, place: str) -> Rule:
    name, given = (choice, {}) if isinstance(choice, str) else next(iter(choice.items()))
    if place == PLACE and _is_file(name):
        raise ConfigError(
            f"{place}: '{name}' is a file, and a rule's name is needed",
            hint=f"for labels write {{{LABELS}: {name}}}, on the command line --set '{place}={{{LABELS}: {name}}}'",
        )
    return rules.get(name, place=place).made(given, place=place)


def _is_file(name: str) -> bool:
    """Whether what should be a rule's name can only mean a file."""
    return "/" in name or Path(name).suffix.lower() in (".csv", ".jsonl", ".parquet", ".gz")


def _rule_of(task: Mapping[str, Any], samples: pa.Table) -> Rule:
    """The rule that a task names, else the one for what its samples have."""
    named = task.get("correctness")
    if named is not None:
        rule = _rule(named, f"{task['name']}: {PLACE}")
        if rule.asks_model:
            raise ConfigError(
                f"{task['name']}: {PLACE}: {rule.name} asks a model, and a task has none",
                hint=f"'{PLACE}: {rule.name}' in the configuration is for all tasks",
            )
        return rule
    return rules.get("multiple_choice" if _has(samples, "choices") else "exact_match")


def _can_judge(rule: Rule, samples: pa.Table, task: str) -> bool:
    own = samples.filter(pc.equal(samples["task"], task))
    return all(_has(own, column) for column in rule.reads & set(COLUMNS))


def _has(samples: pa.Table, column: str) -> bool:
    lengths = pc.fill_null(pc.list_value_length(samples[column]), 0)
    return bool(pc.any(pc.greater(lengths, 0)).as_py())


def _given_labels(samples: pa.Table) -> dict[str, Label]:
    """The verdicts that the rows of an import bring, in `meta`."""
    found = {}
    for sample_id, text in zip(samples["sample_id"].to_pylist(), samples["meta"].to_pylist(), strict=True):
        correct = None if text is None else json.loads(text).get("correct")
        if isinstance(correct, bool):
            found[sample_id] = Label(correct, float(correct))
    return found

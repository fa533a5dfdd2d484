"""The decisions of `llmood init`, one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from llmood.cli.asking import Asking
from llmood.cli.init_data import Given, Profile, columns_of_id, file_name, rows_of
from llmood.cli.init_ood import OodGiven, ood_given, ood_of
from llmood.config_file import CONFIG
from llmood.errors import ConfigError
from llmood.records import Split
from llmood.registry import suggest
from llmood.scaffold import Columns, Draft, OodDraft, TaskDraft, find_splits
from llmood.scaffold.answers import rule_for
from llmood.scaffold.files import stem
from llmood.scaffold.make import base_name
from llmood.scaffold.prompts import first_prompt
from llmood.scaffold.surroundings import check_base, check_sight, has_chat_template, profile_of
from llmood.scorers.base import scorers as known_scorers

BASE = "HuggingFaceTB/SmolLM2-135M"
SEEING_BASE = "HuggingFaceTB/SmolVLM-256M-Instruct"
SCORERS = ("likelihood_ratio", "likelihood_ratio.mean", "likelihood", "likelihood.mean")
ANSWER_SCORERS = ("sequence_probability.mean", "token_entropy")  # both from one greedy answer
LONGEST_NAME = 200  # file systems hold 255 bytes, and endings come behind it
BASELINES = ("gzip_knn", "tfidf_knn")  # what a score of a model has to beat; they learn from train


FILE = "Your questions (a file, a name with {split} in it, or a folder)"


def decide(given: Given, asking: Asking) -> tuple[Draft, str | None]:
    """Everything that the files to be written say, and the first prompt.

    Raises:
        ConfigError: an option is wrong, or nothing can be guessed from the rows.
        DataError: a file can't be read.
    """
    if given.file is None and not given.splits and not asking.silent:
        given = replace(given, file=_path(asking.ask(FILE, check=lambda said: find_splits(_path(said)))))
    _check(given)
    files = _files(given)
    ood = ood_given(given.ood)
    rows = rows_of(files, asking)
    name = asking.decide(
        "name",
        "Name of the task",
        _name_of(files),
        given.name,
        check=lambda said: _check_name(said, ood, None if given.folder else Path(said), force=given.force),
    )
    columns = columns_of_id(given, rows, asking)
    shifted = ood_of(ood, columns, name, asking, but=list(files.values()))
    proposed = SEEING_BASE if columns.images else BASE
    base = asking.decide(
        "base model", "Base model (hub name or folder)", proposed, given.base, guessed="default"
    )
    notes = [check_base(base), check_sight(base) if columns.images else None]
    asking.notes += [f"base model: {note}" for note in notes if note]
    folder = given.folder or Path(name)
    adapters, seeds = _adapters(given, name, asking)
    if seeds and "train" not in files:
        asking.notes.append("there is no train file: `llmood finetune` has nothing to learn from")
    fitting = profile_of(base)
    profile = asking.decide(
        "tuning profile",
        "Tuning profile (small, default)",
        fitting or "default",
        given.profile,
        guessed="its size" if fitting else "default",
        check=_check_profile,
    )
    rule = _rule(columns, rows, asking)
    judged = rule is not None and given.scorers is None  # whoever names scorers says what a run may cost
    draft = Draft(
        name=name,
        folder=folder,
        id=TaskDraft(file_name(name), files, columns, rule),
        ood=shifted,
        base=base,
        adapters=adapters,
        seeds=seeds,
        profile="small" if profile == "small" else "default",
        scorers=_scorers(given, asking, has_train="train" in files, judged=judged),
        chat=_chat(columns, shifted, base, asking),
        judged=judged,
    )
    return draft, first_prompt(columns, rows)


def _check(given: Given) -> None:
    if given.file is None and not given.splits:
        raise ConfigError("no file is named", hint="llmood init FILE, or --train FILE --test FILE")
    if given.file is not None and given.splits:
        raise ConfigError(
            f"{given.file}: and --{next(iter(given.splits))} names a file too",
            hint="give one file, or one for each split",
        )
    if given.prompt is not None and given.text_column is not None:
        raise ConfigError("--text-column: --prompt says already what is read", hint="leave one of them out")
    if given.adapter is not None and given.adapters is not None:
        raise ConfigError("--adapters: --adapter names one that is there", hint="leave one of them out")
    if given.folder is not None:
        _check_free(given.folder, force=given.force)
    for position, scorer in enumerate(given.scorers or ()):
        known_scorers.get(scorer, place=f"--scorers[{position}]")


def _files(given: Given) -> dict[Split, Path]:
    if given.file is not None:
        return find_splits(given.file)
    found: dict[Split, Path] = {}
    for split, path in (given.splits or {}).items():
        if not path.is_file():
            raise ConfigError(f"--{split}: no file '{path}'")
        found[split] = path
    return found


def _adapters(given: Given, name: str, asking: Asking) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The adapters, and the seeds of those that are to be made."""
    plain = f"./adapters/{file_name(name)}"
    if given.adapters is not None:
        seeds = tuple(range(given.adapters))
        names = (plain,) if len(seeds) == 1 else tuple(f"{plain}-seed{seed}" for seed in seeds)
        asking.decisions.append(("adapters", ", ".join(names), "your option"))
        return names, seeds
    folder = given.folder or Path(name)
    adapter = asking.decide(
        "adapter", "Adapter (one that is there, or where to make one)", plain, given.adapter
    )
    if adapter == plain:
        return (plain,), (0,)
    if given.adapter is None and not Path(adapter).expanduser().is_dir():
        return (adapter,), (0,)
    return (base_name(adapter, folder),), ()


def _rule(columns: Columns, rows: Sequence[Mapping[str, Any]], asking: Asking) -> str | None:
    """The rule by which answers are judged, if the rows have right ones."""
    rule = rule_for(columns, rows)
    if rule is not None:
        asking.decisions.append(("correctness", rule, "its answers"))
    elif columns.references is not None and columns.choices is not None:
        asking.notes.append(
            f"no answers are judged: '{columns.references}' is neither letter nor words of a choice in most rows"
        )
    elif columns.label is not None:
        asking.notes.append(
            f"no answers are judged: the rows have labels and no right answers; if the model is to answer with the "
            f"label: --reference-column {columns.label}"
        )
    return rule


def _scorers(given: Given, asking: Asking, *, has_train: bool, judged: bool) -> tuple[str, ...]:
    if given.scorers is not None:
        return given.scorers
    chosen = (*SCORERS, *(BASELINES if has_train else ()), *(ANSWER_SCORERS if judged else ()))
    found = tuple(scorer for scorer in chosen if scorer in known_scorers)
    asking.decisions.append(("scorers", ", ".join(found), "default"))
    return found


def _chat(columns: Columns, ood: Sequence[OodDraft], base: str, asking: Asking) -> bool | None:
    """Whether every prompt goes through the chat template: one population with it and one without don't compare."""
    shapes = {columns.messages_column is not None} | {
        isinstance(one.task, TaskDraft) and one.task.columns.messages_column is not None for one in ood
    }
    if shapes == {False}:
        return None
    if has_chat_template(base) is False:
        asking.notes.append(f"{base} has no chat template: the turns are sent as plain text")
        return False
    return columns.messages_column is not None


def _name_of(files: Mapping[Split, Path]) -> str:
    path = next(iter(files.values())).resolve()
    return stem(path) or stem(path.parent) or "mine"


def _path(said: str) -> Path:
    # No shell has read it.
    return Path(said.strip()).expanduser()


def _check_name(name: str, ood: Sequence[OodGiven], folder: Path | None, *, force: bool) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ConfigError(f"--name: '{name}' is no name", hint="letters, digits, '_', '.' and '-'")
    if len(name) > LONGEST_NAME:
        raise ConfigError(f"--name: of {len(name)} characters", hint=f"at most {LONGEST_NAME}")
    if any(one.head is None and one.name == name for one in ood):
        raise ConfigError(
            f"--name: '{name}' is what an OOD task is called already", hint="give the ID task another"
        )
    if folder is not None:
        _check_free(folder, force=force)


def _check_free(folder: Path, *, force: bool) -> None:
    """Before anything is asked or after one answer; `write` looks at every file."""
    if (folder / CONFIG).exists() and not force:
        raise ConfigError(
            f"{folder / CONFIG}: already there", hint="--force replaces; -o FOLDER writes elsewhere"
        )


def _check_profile(profile: str) -> None:
    if profile not in get_args(Profile):
        raise ConfigError(f"no tuning profile '{profile}'", hint=suggest(profile, get_args(Profile)))

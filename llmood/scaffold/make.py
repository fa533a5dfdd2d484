"""What `llmood init` decided, and the files that say so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llmood.config_file import CONFIG
from llmood.errors import ConfigError
from llmood.paths import find_model_folder
from llmood.records import Shift, Split
from llmood.scaffold.columns import Columns
from llmood.scaffold.text import flow, join, line, quoted, said
from llmood.tables import write_text

PICTURES_SPOILT = "blur"
FIELD_COMMENTS = {
    "images": "pictures: paths beside the rows' file, data URLs or bytes",
    "references": "accepted answers: a column of text, or of lists",
    "label": "what kind of question it is",
    "domain": "a coarser kind",
    "group": "rows of one group share a split, and are resampled together",
    "choices": "of a multiple choice",
}
RULE_COMMENTS = {
    "exact_match": "an answer is right in the same words (case, punctuation, articles aside)",
    "numeric_match": "an answer is right whose last number is the reference's",
    "multiple_choice": "an answer is right that names the right choice, and no other",
    "f1": "an answer is right that shares enough words; or {f1: {threshold: 0.6}}",
}
SHIFT_COMMENTS: dict[Shift, str] = {
    "near": "the same kind of text, another meaning",
    "far": "another kind of text",
    "covariate": "the same meaning in another form",
}


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """A task to be written.

    Args:
        rule: by which its answers are judged; None where its rows have none.
    """

    name: str
    files: Mapping[Split, Path]
    columns: Columns
    rule: str | None = None

    @property
    def file(self) -> str:
        return f"{self.name}.yaml"


@dataclass(frozen=True, slots=True)
class OodDraft:
    """An OOD task to be written, or the name of one that is there already."""

    task: TaskDraft | str
    shift: Shift


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole configuration to be written.

    Args:
        base: a hub name or a folder; a folder is written relative to the configuration.
        adapters: of `models.tuned`, as the configuration is to name them.
        seeds: of the adapters that are still to be made; empty where they are there.
        chat: `chat` of the configuration; None leaves it out.
        corruption: of the ID task's own texts; None: no such shift.
        judged: whether the model answers, and the answers are judged.
    """

    name: str
    folder: Path
    id: TaskDraft
    ood: tuple[OodDraft, ...]
    base: str
    adapters: tuple[str, ...]
    seeds: tuple[int, ...]
    profile: Literal["default", "small"]
    scorers: tuple[str, ...]
    chat: bool | None = None
    corruption: str | None = "typos"
    judged: bool = False

    @property
    def tasks(self) -> list[TaskDraft]:
        """The tasks to be written."""
        return [self.id, *(ood.task for ood in self.ood if isinstance(ood.task, TaskDraft))]


def render(draft: Draft) -> dict[str, str]:
    """Every file's text by its name in the folder."""
    tasks = {task.file: task_text(task, draft.folder) for task in draft.tasks}
    return {**tasks, CONFIG: config_text(draft)}


def write(draft: Draft, *, force: bool = False) -> list[Path]:
    """Write every file.

    Raises:
        ConfigError: one of them is there already, and `force` doesn't say to replace it.
        StoreError: the folder can't be written.
    """
    texts = render(draft)
    there = [str(draft.folder / name) for name in texts if (draft.folder / name).exists()]
    if there and not force:
        raise ConfigError(
            f"{', '.join(there)}: already there", hint="--force replaces; -o FOLDER writes elsewhere"
        )
    for name, text in texts.items():
        write_text(draft.folder / name, text)
    return [draft.folder / name for name in texts]


def task_text(task: TaskDraft, folder: Path) -> str:
    """A task's YAML."""
    files = {str(split): relative(path, folder) for split, path in task.files.items()}
    names = ", ".join(path.name for path in task.files.values())
    lines = [
        f"# The task '{task.name}', made by `llmood init`. After a change: llmood validate {task.file}",
        f"name: {quoted(task.name)}",
        "version: 1",
        line(f"description: {quoted(f'Rows of {said(names)}.')}", "shown in reports"),
        line("licence: null", "of the data, and where they come from:"),
        line("citation: null", "they stand beside the numbers"),
        "sources:",
        f"  - files: {flow(files)}",
    ]
    if "train" in files and "test" not in files:
        lines.append(
            "    # What the data lack (test, validation) is carved from train, by a hash of the text."
        )
    return join(
        [
            *lines,
            *_field_lines(task.columns),
            *_prompt_lines(task.columns),
            *_rule_lines(task.rule),
            *_overlap_lines(files),
        ]
    )


def _field_lines(columns: Columns) -> list[str]:
    fields = [
        line(f"  {name}: {quoted(column)}", FIELD_COMMENTS[name]) for name, column in columns.fields.items()
    ]
    if columns.id is not None:
        fields.append(line(f"  meta: {flow({'id': columns.id})}", "kept, and shown with the samples"))
    if fields:
        return [line("fields:", "what a sample has ← the column, or a template"), *fields]
    return ["# fields: {references: COLUMN, label: COLUMN, group: COLUMN}"]


def _prompt_lines(columns: Columns) -> list[str]:
    if columns.messages_column is not None:
        comment = "a column of chat turns; a last turn of the assistant is the reference"
        return [line(f"messages_column: {quoted(columns.messages_column)}", comment)]
    comment = "what the model reads: Jinja over the row's columns"
    return [line(f"prompt: {quoted(columns.prompt or '')}", comment)]


def _rule_lines(rule: str | None) -> list[str]:
    return [] if rule is None else [line(f"correctness: {rule}", RULE_COMMENTS[rule])]


def _overlap_lines(files: Mapping[str, str]) -> list[str]:
    if "train" not in files:
        return []
    return [line("overlap: refuse", "or leave_train: train rows that another split has leave train")]


def config_text(draft: Draft) -> str:
    """The configuration's YAML."""
    lines = [
        f"# Made by `llmood init` for {said(draft.name)}. It can be edited at will; then, in this order:",
        f"#   llmood validate {CONFIG}",
        *([f"#   llmood finetune {CONFIG}"] if draft.seeds else []),
        f"#   llmood run {CONFIG}",
        "benchmark:",
        f"  name: {quoted(draft.name)}",
        line(f"  id: {quoted(draft.id.file)}", "what the model is tuned for"),
        *_ood_lines(draft),
        "models:",
        line(f"  base: {quoted(base_name(draft.base, draft.folder))}", "hub name or folder"),
        *_tuned_lines(draft.adapters),
    ]
    if draft.seeds:
        lines += [
            "finetune:",
            line(f"  profile: {draft.profile}", "small: models of some million parameters"),
            # Quoted: to YAML a bare `on` is no text.
            line("  loss_on: text", "or response: what the loss sees"),
            *([line("  answers: true", "the answer too, or it learns to say none")] if draft.judged else []),
            line(f"  seeds: [{', '.join(map(str, draft.seeds))}]", "an adapter each"),
        ]
    lines += [line("scorers:", "see: llmood ls scorers"), *(f"  - {quoted(name)}" for name in draft.scorers)]
    lines += _judging_lines(draft)
    if draft.chat is not None:
        comment = "every prompt through the model's chat template" if draft.chat else "no chat template"
        lines.append(line(f"chat: {str(draft.chat).lower()}", comment))
    lines += [line("limit: null", "samples per split and task; null: all"), "seed: 0"]
    return join(lines)


def _judging_lines(draft: Draft) -> list[str]:
    """Whether answers are judged; where they could be and aren't, how to have it."""
    if draft.judged:
        return [
            line(
                "correctness: task",
                "is the answer wrong? one greedy answer a prompt, judged as its task says",
            ),
            line("# response: {max_new_tokens: 256}", "where right answers are longer than 64 tokens"),
        ]
    if draft.id.rule is None:
        return []
    return [line("# correctness: task", "is the answer wrong? costs one greedy answer a prompt")]


def _ood_lines(draft: Draft) -> list[str]:
    found = []
    for ood in draft.ood:
        name = ood.task if isinstance(ood.task, str) else ood.task.file
        found.append(line(f"    - {flow({'task': name, 'shift': ood.shift})}", SHIFT_COMMENTS[ood.shift]))
    if draft.corruption is not None:
        text = f"    - {flow({'corruption': draft.corruption})}"
        found.append(line(text, "the test questions themselves, in five grades: a covariate shift"))
        if draft.id.columns.images is not None:
            found.append(
                line(f"    - {flow({'corruption': PICTURES_SPOILT})}", "and their pictures, in five grades")
            )
    return ["  ood:", *found] if found else ["  ood: []"]


def _tuned_lines(adapters: tuple[str, ...]) -> list[str]:
    if len(adapters) == 1:
        return [line(f"  tuned: {flow({'adapter': adapters[0]})}", "relative to this file, or a hub name")]
    return ["  tuned:", *(f"    - {flow({'adapter': adapter})}" for adapter in adapters)]


def relative(path: Path, folder: Path) -> str:
    """A path as a file in `folder` names it."""
    return os.path.relpath(path.expanduser().resolve(), folder.expanduser().resolve())


def base_name(name: str, folder: Path) -> str:
    """A model as a file in `folder` names it: what is no folder here is left as it is."""
    path = Path(name).expanduser()
    if not path.is_dir():
        return name
    found = relative(path, folder)
    found = found if found.startswith(("..", "/")) else f"./{found}"
    # A relative name starts in the working directory first, where it may mean another folder.
    meant = find_model_folder(found, relative_to=folder)
    return found if meant in (None, path.resolve()) else str(path.resolve())

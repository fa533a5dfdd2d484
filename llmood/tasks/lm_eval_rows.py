"""Documents of a task of the lm-evaluation-harness as rows: what the harness asks, and what it takes for right."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmood.errors import ConfigError
from llmood.paths import data_root
from llmood.records import Check, Reject
from llmood.tasks.hub import HubSplit, load_split
from llmood.tasks.lm_eval import HarnessTask
from llmood.tasks.prompt import Template
from llmood.tasks.row_errors import RowError
from llmood.tasks.source_specs import HubSource

Row = dict[str, Any]

# Said beside the numbers: what the harness puts round a question and llmood doesn't.
_LEFT_OUT = ("description", "num_fewshot", "gen_prefix")
_UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)


class RowMaker:
    """A document's `doc_to_text`, `doc_to_target` and `doc_to_choice` as columns beside its own.

    The target becomes the text of the right choice where there are choices, and null where it is none of them: that is
    how sets whose labels are hidden look.

    Args:
        trust_remote_code: whether Python that the YAML names may run.

    Raises:
        ConfigError: a template is wrong, or code would have to run.
    """

    def __init__(self, task: HarnessTask, *, trust_remote_code: bool = False) -> None:
        self._path = task.path
        values = {
            key: task.value(key, trust_remote_code=trust_remote_code)
            for key in ("doc_to_text", "doc_to_target", "doc_to_choice")
        }
        if values["doc_to_text"] is None:
            raise ConfigError(f"{task.path}: no doc_to_text: this task asks nothing")
        self._fields = {
            key: _reader(value, f"{task.path}: {key}") for key, value in values.items() if value is not None
        }

    def row(self, document: Mapping[str, Any]) -> Row:
        """The document with the three columns.

        Raises:
            RowError: the document can't be used, and why.
            ConfigError: the choices are the prompts here, or a template is wrong for every document.
        """
        choices = self._choices(document)
        text = self._fields["doc_to_text"](document)
        if isinstance(text, int) or (choices is not None and str(text).isdigit()):
            raise ConfigError(
                f"{self._path}: doc_to_text: the choices are the prompts in this task, so it has no one"
            )
        target = self._fields["doc_to_target"](document) if "doc_to_target" in self._fields else None
        return {
            **document,
            "doc_to_text": text,
            "doc_to_target": references(target, choices),
            "doc_to_choice": choices,
        }

    def _choices(self, document: Mapping[str, Any]) -> list[str] | None:
        if "doc_to_choice" not in self._fields:
            return None
        value = self._fields["doc_to_choice"](document)
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except _UNPARSED:
                raise RowError(f"doc_to_choice: no list: {value[:80]!r}") from None
        if isinstance(value, Mapping):
            value = list(value.values())
        if not isinstance(value, list | tuple):
            raise RowError(f"doc_to_choice: a {type(value).__name__}, not a list")
        return [str(choice) for choice in value]


def references(target: Any, choices: list[str] | None) -> list[str] | None:
    """What the harness' target means as reference answers; null for none."""
    if isinstance(target, str):
        if choices is not None and target.isdigit():
            target = int(target)
        elif target.startswith("[") and target.endswith("]"):
            with suppress(*_UNPARSED):  # a text in brackets, then
                target = ast.literal_eval(target)
    found = []
    for one in target if isinstance(target, list | tuple) else [target]:
        if choices is not None and isinstance(one, int):
            found += choices[one : one + 1] if one >= 0 else []
        elif one is not None and str(one).strip() and (choices is None or str(one) in choices):
            found.append(str(one))
    return found or None


def _reader(value: Any, place: str) -> Callable[[Mapping[str, Any]], Any]:
    """How a key's value reads a document: a function, a column's name, a template, or the value itself."""
    if callable(value):
        return value  # type: ignore[no-any-return]
    if not isinstance(value, str):
        return lambda document: value
    template = Template(value, place=place, lenient=True)
    strict = place.endswith("doc_to_text")

    def read(document: Mapping[str, Any]) -> Any:
        if value in document:
            return document[value]
        if strict:
            template.refuse_blank(document)
        return template.read(document)

    return read


class HarnessData:
    """The data of a harness' task, loaded split by split as the harness loads it, through `datasets`."""

    def __init__(self, task: HarnessTask, *, trust_remote_code: bool = False) -> None:
        self._task = task
        self._maker = RowMaker(task, trust_remote_code=trust_remote_code)
        self._process = task.value("process_docs", trust_remote_code=trust_remote_code)
        folder = task.path.parent
        options = dict(task.keys.get("dataset_kwargs") or {})
        for code in (
            "trust_remote_code",
            "streaming",
        ):  # `datasets` runs no code any more, and rows are the same
            options.pop(code, None)
        self.revision: str | None = options.pop("revision", None)
        self.files: dict[str, Path] = {}  # the local ones, by the YAML's names
        if "data_files" in options:
            options["data_files"] = _local(options["data_files"], folder, self.files)
        self._options = options

    @property
    def path(self) -> str:
        """The data set's name, or the format of its files."""
        if not self._task.keys.get("dataset_path"):
            raise ConfigError(f"{self._task.path}: no dataset_path: this file has no data of its own")
        if self._task.keys["dataset_path"] == "pandas":
            raise ConfigError(
                f"{self._task.path}: dataset_path 'pandas' reads pickles, which can run code",
                hint="save the data as Parquet",
            )
        return str(self._task.keys["dataset_path"])

    @property
    def local(self) -> bool:
        """Whether all that is read lies on this machine, and was read as it is."""
        return bool(self.files) or (self._task.path.parent / self.path).is_dir()

    def load(self, split: str) -> HubSplit:
        """One split, before `process_docs`.

        Raises:
            DataError: it can't be had, and why.
        """
        name = self._task.keys.get("dataset_name")
        source = HubSource(
            hub=self.path,
            config=None if name is None else str(name),
            revision=self.revision,
            splits={"test": split},
        )
        return load_split(source, split, self._task.path.parent, **self._options)

    def rows_of(self, split: HubSplit, name: str) -> Callable[[], Iterator[tuple[int, Row] | Reject]]:
        """What gives the split's documents as rows numbered from 1; one that can't be rendered is a reject.

        Args:
            name: what rejects call the split.
        """
        return lambda: self._rows(split, name)

    def _rows(self, split: HubSplit, name: str) -> Iterator[tuple[int, Row] | Reject]:
        # Class labels stay numbers here: the harness' templates count on it.
        documents = self._process(split.data) if self._process else split.data
        for number, document in enumerate(documents, start=1):
            try:
                yield number, self._maker.row(document)
            except RowError as error:
                yield Reject(name, number, str(error))

    def checks(self, name: str) -> list[Check]:
        """What the harness' own prompt has and this one hasn't."""
        left = [key for key in _LEFT_OUT if self._task.keys.get(key)]
        if not left:
            return []
        return [
            Check(
                code="lm_eval_prompt",
                severity="info",
                title="Less than the harness' prompt",
                detail=f"{name}: the prompt is doc_to_text alone, without the harness' {', '.join(left)}.",
                task=name,
            )
        ]


def _local(value: Any, folder: Path, found: dict[str, Path]) -> Any:
    """`data_files` with what lies beside the YAML or in `LLMOOD_DATA` as whole paths, noted in `found`."""
    if isinstance(value, Mapping):
        return {key: _local(inner, folder, found) for key, inner in value.items()}
    if isinstance(value, list):
        return [_local(inner, folder, found) for inner in value]
    places = [root / str(value) for root in (folder, data_root()) if root is not None]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        return value
    found[str(value)] = path
    return str(path)

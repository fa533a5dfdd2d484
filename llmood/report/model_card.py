"""A run's results as a block of a Hugging Face model card: metadata that the hub reads, and words that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from llmood.errors import ConfigError
from llmood.markdown import block, code, one_line, plain, table
from llmood.metrics import metrics_registry
from llmood.questions.ood_detection import HEADLINE
from llmood.report.adapters import adapter_count, adapters_table
from llmood.report.card_calibration import calibration_words
from llmood.report.card_cells import BASELINE, crossed_sets, graded_sets, scorer_row
from llmood.report.card_population import population_words
from llmood.report.provenance import config_yaml
from llmood.report.read import Record, RunFiles, read_run
from llmood.report.summary import status_lines
from llmood.report.tables import metric_table, ood_columns
from llmood.report.text import count

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "out-of-distribution-detection"
DIGITS = 6  # of a number that a program reads: what follows is the noise of binary fractions
LEVELS = {"error": "Error", "warning": "Warning", "info": "Note"}


def render_model_card(folder: Path) -> str:
    """The block of one run: YAML front matter with a `model-index`, then Markdown.

    Every number is a record of `metrics.json`; no prompt is in it.

    Raises:
        ConfigError: the folder is no run, or one that has measured nothing.
        StoreError: a table of the run is broken.
    """
    run = read_run(folder)
    if not run.records or not run.scorers or not run.ood_tasks or run.id_task is None:
        raise ConfigError(
            f"{folder}: has no OOD detection to put on a model card",
            hint="'llmood run' goes on with it, or its benchmark has no OOD task",
        )
    parts = [_metadata(run), "## Out-of-distribution detection", *_results(run, run.id_task), *_checks(run)]
    parts += [*population_words(run), *calibration_words(run)]
    return "\n\n".join([*parts, *_origin(run), *_again(run)]) + "\n"


def eval_results(run: RunFiles) -> list[EvalResult]:
    """An entry for each scorer and OOD set whose AUROC is defined.

    Baselines, further adapters and the grades of a shift are left out: those are in the words, or in `metrics.json`.
    """
    from huggingface_hub import EvalResult

    identities = _dataset_ids(run)
    found = []
    for task in run.single_ood_tasks:
        for scorer in run.scorers:
            record = run.find(HEADLINE, scorer, task["name"])
            if record is None or record["value"] is None:
                continue
            found.append(
                EvalResult(
                    task_type=TASK,
                    task_name="Out-of-distribution detection",
                    **identities[task["name"]],
                    dataset_name=f"{record['id_task']} against {task['name']} ({task['shift']} OOD)",
                    dataset_split=record["split"],
                    dataset_args=_given(task, "shift", "severity") | {"id_task": record["id_task"]},
                    metric_type=HEADLINE,
                    metric_name=f"{metrics_registry.get(HEADLINE).title} of {scorer}",
                    metric_value=round(record["value"], DIGITS),
                    metric_args={"scorer": scorer}
                    | {
                        key: round(value, DIGITS)
                        for key, value in _given(record, "ci_low", "ci_high").items()
                    }
                    | _given(record, "ci_level", "n_negative", "n_positive", "n_unscored"),
                )
            )
    return found


def _metadata(run: RunFiles) -> str:
    from huggingface_hub import ModelCardData

    data = ModelCardData(model_name=_model_name(run), eval_results=eval_results(run) or None)
    # Without a defined result there is no model index, and a name alone is no metadata.
    entries = data.to_yaml() if data.eval_results else "{}"
    return f"---\n{entries}\n---"


def _model_name(run: RunFiles) -> str:
    models: dict[str, Record] = run.manifest.get("models") or {}
    model = models.get("tuned") or next(iter(models.values()), {})
    # Of a folder its last part: where it lies on this machine says nothing on the hub.
    return one_line(PurePath(str(model.get("name") or run.folder.name)).name)


def _dataset_ids(run: RunFiles) -> dict[str, dict[str, Any]]:
    """Each OOD set as the hub names it; by its own name where it isn't from there, or shares that name."""
    found = {}
    for task in run.ood_tasks:
        source = task.get("source") or {}
        made = task.get("family") is not None or source.get("kind") != "hub"
        found[task["name"]] = (
            {"dataset_type": task["name"]}
            if made
            else {
                "dataset_type": source["hub"],
                "dataset_config": source.get("config"),
                "dataset_revision": source.get("commit") or source.get("revision"),
            }
        )
    shared = Counter(str(identity) for identity in found.values())
    return {
        name: identity if shared[str(identity)] == 1 else {"dataset_type": name}
        for name, identity in found.items()
    }


def _given(entry: Record, *keys: str) -> dict[str, Any]:
    return {key: entry[key] for key in keys if entry.get(key) is not None}


def _results(run: RunFiles, id_task: Record) -> Iterator[str]:
    if run.manifest["status"] != "complete":
        yield "\n".join(f"- **{plain(line)}**" for line in status_lines(run))
    level = (run.config.get("bootstrap") or {}).get("level", 0.95)
    yield (
        f"Which scores tell {code(id_task['name'])} (in-distribution, {count(id_task['evaluated'])} test "
        f"samples) from each other set? AUROC with its {level * 100:g} % bootstrap interval, conditional on this "
        "model; 0.5 is chance, and a higher score always means more OOD."
    )
    if run.single_ood_tasks:
        yield _single_sets(run)
    if run.families:
        yield graded_sets(run)
    yield from crossed_sets(run)
    yield "A score that doesn't beat the baselines found nothing. Sets of different shift are never averaged."


def _single_sets(run: RunFiles) -> str:
    columns = ood_columns(run)
    shown = metric_table(run, HEADLINE, columns)
    grades = {c.task: c.shift + (f" {c.severity}" if c.severity is not None else "") for c in columns}
    header = ["Scorer", *(f"{code(c.task)} ({grades[c.task]}, n = {count(c.samples)})" for c in columns)]
    spread = adapters_table(run, columns)
    over = {row.scorer: row for row in spread.rows} if spread else {}
    rows = []
    for row in shown.rows:
        rows.append(scorer_row(row))
        if row.scorer in over:
            kind = f", over {count(adapter_count(run))} adapters: mean ± standard deviation (range)"
            rows.append(scorer_row(over[row.scorer], kind, "()"))
    rows += [scorer_row(row, BASELINE) for row in shown.baselines]
    return table(header, rows, numbers=True)


def _checks(run: RunFiles) -> Iterator[str]:
    yield "### Checks"
    lines = [f"- {LEVELS.get(c['severity'], c['severity'])}: {plain(c['detail'])}" for c in run.checks]
    yield "\n".join(lines) or "No check found anything to warn of."


def _origin(run: RunFiles) -> Iterator[str]:
    yield "### Where the numbers come from"
    yield table(
        ["Data", "Role", "Samples", "Version", "Licence", "Citation", "Digest of its test rows"],
        _data(run),
    )
    models = run.manifest["models"]
    yield table(
        ["Model", "Name", "Engine", "dtype", "Weights", "Adapter", "Tokenizer"],
        [
            [
                code(role),
                code(PurePath(str(model["name"])).name),
                *(_said(model["identity"].get(key)) for key in ("engine", "dtype", "weights", "adapter")),
                _said(model.get("tokenizer")),
            ]
            for role, model in models.items()
        ],
    )
    versions = ", ".join(
        f"{plain(n)} {plain(str(v))}" for n, v in (run.manifest.get("versions") or {}).items()
    )
    yield f"Made {_said(run.manifest.get('started'))} with {versions or 'versions that were not recorded'}."


def _data(run: RunFiles) -> list[list[str]]:
    """A row a data set; the grades of a family share one where they were made of the same rows."""
    graded = {**run.families, **run.crossed}
    names = [task["name"] for tasks in graded.values() for task in tasks]
    rows = [[code(task["name"]), *_about(task)] for task in run.tasks if task["name"] not in names]
    for family, tasks in graded.items():
        alike: dict[tuple[str, ...], dict[str, None]] = {}
        for task in tasks:
            alike.setdefault(_about(task), {})[str(task["severity"])] = None
        for about, grades in alike.items():
            rows.append(
                [f"{code(family)}, grade{'s' if len(grades) > 1 else ''} {', '.join(grades)}", *about]
            )
    return rows


def _about(task: Record) -> tuple[str, ...]:
    return (
        "ID" if task["population"] == "id" else f"{task['shift']} OOD",
        count(task["evaluated"]),
        _said(task.get("version")),
        _said(task.get("licence")),
        _said(task.get("citation")),
        _said(_digest(task.get("source") or {})),
    )


def _digest(source: Record) -> str | None:
    """What names the test rows by content, in whatever kind of source they were."""
    files = source.get("files") or {}
    test = files.get("test")
    if isinstance(test, dict):
        return str(test.get("digest"))
    found = source.get("commit") or (source.get("fingerprints") or {}).get("test") or test
    return None if found is None else str(found)


def _said(value: Any) -> str:
    return "–" if value is None else plain(str(value))


def _again(run: RunFiles) -> Iterator[str]:
    yield "### How to make them again"
    yield "Save this as `config.yaml`, with paths of your own, then `llmood run config.yaml`:"
    yield block(config_yaml(run), "yaml")

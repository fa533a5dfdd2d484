"""What the site's pages show of the program: tables from its registries and models, so that nothing is typed twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter, getdoc, signature
from typing import Any

from llmood.calibrators.base import calibrators, described
from llmood.config import BenchmarkSpec, RunConfig
from llmood.engines.base import engines
from llmood.judging.base import rules
from llmood.metrics import metrics_registry
from llmood.scorers.base import ScorerEntry, scorers
from llmood.strict import Strict
from llmood.tasks import TaskSpec, list_benchmarks, list_tasks
from llmood.tasks.corruptions.base import CORRUPTIONS
from llmood.tasks.images.corruptions.base import IMAGE_CORRUPTIONS


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what stands in a cell stays in it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()) or "–"


def _code(text: str) -> str:
    return f"`{text}`"


def scorers_table() -> str:
    """Every scorer with its variants and arguments."""
    groups: dict[tuple[str, str], list[ScorerEntry]] = {}
    for name, entry in scorers:
        groups.setdefault((name.partition(".")[0], entry.summary), []).append(entry)
    rows = []
    for (name, summary), entries in groups.items():
        scorer = entries[0].make()
        models = sorted({spec.model for entry in entries for spec in entry.make().needs})
        rows.append(
            [
                _code(name),
                summary,
                ", ".join(_code(entry.id.removeprefix(name)) for entry in entries if entry.id != name),
                ", ".join(models),
                scorer.fitted_on or "",
                _arguments(entries),
            ]
        )
    return table(["scorer", "what it is", "variants", "models", "fitted on", "arguments"], rows)


def _arguments(entries: Sequence[ScorerEntry]) -> str:
    """The constructor's arguments that no variant's name decides."""
    decided = {"seed", "make"}.union(*(entry.arguments for entry in entries))
    parameters = signature(entries[0].factory).parameters.values()
    return ", ".join(
        _code(f"{one.name}={one.default!r}")
        for one in parameters
        if one.name not in decided and one.default is not Parameter.empty
    )


def metrics_table() -> str:
    """Every metric."""
    rows = [
        [
            _code(name),
            metric.description,
            "higher" if metric.higher_is_better else "lower",
            metric.positive_class,
        ]
        for name, metric in metrics_registry
    ]
    return table(["metric", "what it is", "better", "positive class"], rows)


def rules_table() -> str:
    """Every rule by which an answer is judged."""
    rows = [
        [
            _code(name),
            rule.summary,
            ", ".join(sorted(rule.reads)),
            ", ".join(_code(f"{argument}={default!r}") for argument, default in rule.options.items()),
        ]
        for name, rule in rules
    ]
    return table(["rule", "an answer is right where", "reads", "arguments"], rows)


def calibrators_table() -> str:
    """Every calibrator."""
    rows = []
    for name, calibrator in calibrators:
        reads, arguments, summary = described(calibrator)
        rows.append([_code(name), reads, _code(arguments) if arguments else "", summary])
    return table(["calibrator", "reads", "arguments", "what it is"], rows)


def engines_table() -> str:
    """Every engine."""
    rows = [
        [_code(name), getdoc(engine) or "", ", ".join(sorted({kind for kind, _ in engine.captures}))]
        for name, engine in engines
    ]
    return table(["engine", "what it is", "captures"], rows)


def corruptions_table() -> str:
    """Every corruption of texts with its grades."""
    rows = [[_code(one.name), one.summary, *(f"{rate:.0%}" for rate in one.rates)] for _, one in CORRUPTIONS]
    return table(["corruption", "what it does", "1", "2", "3", "4", "5"], rows)


def image_corruptions_table() -> str:
    """Every corruption of pictures with its grades."""
    rows = [[_code(one.name), one.summary, *one.shown] for _, one in IMAGE_CORRUPTIONS]
    return table(["corruption", "what it does", "1", "2", "3", "4", "5"], rows)


def tasks_table() -> str:
    """Every built-in task."""
    rows = []
    for spec in list_tasks():
        splits = dict.fromkeys(split for source in spec.sources for split in source.split_names)
        sizes = next((source.rows for source in spec.sources if source.rows), {})
        shown = ", ".join(f"{split} ({sizes[split]})" if split in sizes else split for split in splits)
        name = f"[{spec.name}]({spec.homepage})" if (spec.homepage or "").startswith("http") else spec.name
        rows.append([name, spec.description, shown, spec.licence or "", " ".join(spec.known_flaws)])
    return table(["task", "what it is", "splits (rows)", "licence", "known flaws"], rows)


def benchmarks_table() -> str:
    """Every built-in benchmark."""
    rows = []
    for spec in list_benchmarks():
        shown = [
            f"{one.task or spec.id}{'.' + one.corruption if one.corruption else ''} ({one.shift})"
            for one in spec.ood
        ]
        if spec.grid is not None:
            shown.append(f"{'/'.join(spec.grid.images)} × {'/'.join(spec.grid.texts)} (covariate)")
        rows.append([_code(spec.name), spec.description, spec.id, ", ".join(shown)])
    return table(["benchmark", "what it is", "ID", "OOD (shift)"], rows)


def model_reference(model: type[Strict]) -> str:
    """Every key of a YAML file, with those of the mappings within it."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    parts = [_mapping(schema, "")]
    parts += [
        _mapping(inner, f"### {name}\n\n") for name, inner in definitions.items() if "properties" in inner
    ]
    return "\n\n".join(parts)


def _mapping(schema: Mapping[str, Any], heading: str) -> str:
    required = schema.get("required", [])
    rows = [
        [
            _code(name),
            _type(one),
            "needed" if name in required else _default(one),
            _bounds(one),
        ]
        for name, one in schema["properties"].items()
    ]
    text = _paragraphs(schema.get("description", ""))
    return f"{heading}{text}\n\n{table(['key', 'type', 'default', 'bounds'], rows)}"


_BOUNDS = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
    "pattern": "matches",
}


def _bounds(schema: Mapping[str, Any]) -> str:
    forms = [schema, *schema.get("anyOf", [])]
    return ", ".join(
        f"{word} {_code(str(form[key]))}" for form in forms for key, word in _BOUNDS.items() if key in form
    )


def _paragraphs(text: str) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text).strip()


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    if value is None:
        return "null"
    return (
        ""
        if value in ({}, []) or isinstance(value, dict)
        else _code(str(value).lower() if isinstance(value, bool) else str(value))
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(_code(str(one)) for one in schema["enum"])
    if "const" in schema:
        return _code(str(schema["const"]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[key] if one.get("type") != "null"))
    kind = schema.get("type", "anything")
    if kind == "array" and "items" in schema:
        return f"list of {_type(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {_type(schema['additionalProperties'])}"
    return {"object": "mapping", "array": "list", "integer": "whole number"}.get(kind, kind)


GENERATED = {
    "scorers": scorers_table,
    "metrics": metrics_table,
    "calibrators": calibrators_table,
    "engines": engines_table,
    "rules": rules_table,
    "corruptions": corruptions_table,
    "image corruptions": image_corruptions_table,
    "tasks": tasks_table,
    "benchmarks": benchmarks_table,
    "run keys": lambda: model_reference(RunConfig),
    "task keys": lambda: model_reference(TaskSpec),
    "benchmark keys": lambda: model_reference(BenchmarkSpec),
}

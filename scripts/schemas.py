"""`make schemas`: the JSON Schemas that editors check configurations, tasks and benchmarks against."""

from __future__ import annotations

import json
from pathlib import Path

from llmood.config import BenchmarkSpec, RunConfig
from llmood.strict import Strict
from llmood.tasks import TaskSpec

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS: dict[str, type[Strict]] = {
    "configs/run.schema.json": RunConfig,
    "tasks/task.schema.json": TaskSpec,
    "tasks/benchmark.schema.json": BenchmarkSpec,
}


def schema_text(model: type[Strict]) -> str:
    """The schema of a file of this kind, as JSON."""
    return json.dumps(model.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every schema."""
    for name, model in SCHEMAS.items():
        (ROOT / name).write_text(schema_text(model), encoding="utf-8")


if __name__ == "__main__":
    main()

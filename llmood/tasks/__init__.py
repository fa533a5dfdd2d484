"""Tasks and benchmarks: YAML in, samples out."""

from llmood.tasks.catalogue import find_benchmark, find_task, list_benchmarks, list_tasks
from llmood.tasks.load import LoadedTask, load_task
from llmood.tasks.source_specs import FileSource, HubSource
from llmood.tasks.spec import TaskSpec

__all__ = [
    "FileSource",
    "HubSource",
    "LoadedTask",
    "TaskSpec",
    "find_benchmark",
    "find_task",
    "list_benchmarks",
    "list_tasks",
    "load_task",
]

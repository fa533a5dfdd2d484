"""Tasks and benchmarks: YAML in, samples out."""

from llmood.tasks.catalogue import find_benchmark, find_task, list_benchmarks, list_tasks
from llmood.tasks.load import LoadedTask, load_task
from llmood.tasks.spec import FileSource, HubSource, TaskSpec

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

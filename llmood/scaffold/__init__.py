"""From a user's own files to a task, a benchmark and a configuration that run as they are."""

from llmood.scaffold.columns import Columns, guess, text_template
from llmood.scaffold.files import Head, find_splits, read_head
from llmood.scaffold.make import Draft, OodDraft, TaskDraft, render, write

__all__ = [
    "Columns",
    "Draft",
    "Head",
    "OodDraft",
    "TaskDraft",
    "find_splits",
    "guess",
    "read_head",
    "render",
    "text_template",
    "write",
]

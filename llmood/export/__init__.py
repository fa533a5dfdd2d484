"""A run's observations as files that stand without the store: Parquet, or rows that `llmood import` reads."""

from llmood.export.parquet import export_run
from llmood.export.rows import export_rows

__all__ = ["export_rows", "export_run"]

"""The report: one self-contained HTML file, made from run folders alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmood.tables import write_text

__all__ = ["render_report", "write_report"]


def render_report(runs: Sequence[Path], *, status: str | None = None) -> str:
    """The page as text: a section a run folder, and a table over them where there are several.

    Args:
        status: how the runs end, where `run.json` doesn't say so yet.

    Raises:
        ConfigError: a folder is no run.
        StoreError: a table of a run is broken.
    """
    from llmood.report.page import render_page

    return render_page([Path(run) for run in runs], status)


def write_report(runs: Sequence[Path], path: Path, *, status: str | None = None) -> None:
    """Write the report of some run folders to `path`; otherwise as `render_report`."""
    write_text(path, render_report(runs, status=status))

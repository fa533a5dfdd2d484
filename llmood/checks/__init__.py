"""Named warnings that travel with the numbers. One idea a file; each returns the checks that it raises."""

from llmood.checks.base import CheckInput, checks, run_checks

__all__ = ["CheckInput", "checks", "run_checks"]

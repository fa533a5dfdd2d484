"""Which run, model or scorer detects better, on the samples that both scored?"""

from llmood.comparison.compare import DEFAULT_METRICS, Comparison, compare_runs

__all__ = ["DEFAULT_METRICS", "Comparison", "compare_runs"]

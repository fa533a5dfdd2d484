"""Figures of scores and metrics: `plot()` gives a matplotlib figure, `frame()` the data behind it."""

from llmood.displays.auroc_intervals import AurocIntervals
from llmood.displays.base import Display
from llmood.displays.roc import RocCurves
from llmood.displays.score_distribution import ScoreDistribution

__all__ = ["AurocIntervals", "Display", "RocCurves", "ScoreDistribution"]

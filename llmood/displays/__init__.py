"""Figures of scores and metrics: `plot()` gives a matplotlib figure, `frame()` the data behind it."""

from llmood.displays.auroc_intervals import AurocIntervals
from llmood.displays.base import Display
from llmood.displays.concepts import ConceptCurve
from llmood.displays.differences import Differences
from llmood.displays.errors_by_shift import ErrorsByShift
from llmood.displays.familiarity import FamiliarityCurve
from llmood.displays.flag_rate import FlagRate
from llmood.displays.reliability import ReliabilityDiagram
from llmood.displays.risk_coverage import RiskCoverage
from llmood.displays.roc import RocCurves
from llmood.displays.score_distribution import ScoreDistribution
from llmood.displays.severity_curve import SeverityCurve
from llmood.displays.sides import Sides

__all__ = [
    "AurocIntervals",
    "ConceptCurve",
    "Differences",
    "Display",
    "ErrorsByShift",
    "FamiliarityCurve",
    "FlagRate",
    "ReliabilityDiagram",
    "RiskCoverage",
    "RocCurves",
    "ScoreDistribution",
    "SeverityCurve",
    "Sides",
]

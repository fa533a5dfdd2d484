"""Figures of scores and metrics: `plot()` gives a matplotlib figure, `frame()` the data behind it."""

from llmood.displays.auroc_intervals import AurocIntervals
from llmood.displays.base import Display
from llmood.displays.concepts import ConceptCurve
from llmood.displays.differences import Differences
from llmood.displays.disagreement import DisagreementCurve
from llmood.displays.emid_against_bound import EmidAgainstBound
from llmood.displays.errors_by_shift import ErrorsByShift
from llmood.displays.familiarity import FamiliarityCurve
from llmood.displays.flag_rate import FlagRate
from llmood.displays.reliability import ReliabilityDiagram
from llmood.displays.risk_coverage import RiskCoverage
from llmood.displays.roc import RocCurves
from llmood.displays.score_distribution import ScoreDistribution
from llmood.displays.severity_curve import SeverityCurve
from llmood.displays.shift_heat_map import ShiftHeatMap
from llmood.displays.sides import Sides

__all__ = [
    "AurocIntervals",
    "ConceptCurve",
    "Differences",
    "DisagreementCurve",
    "Display",
    "EmidAgainstBound",
    "ErrorsByShift",
    "FamiliarityCurve",
    "FlagRate",
    "ReliabilityDiagram",
    "RiskCoverage",
    "RocCurves",
    "ScoreDistribution",
    "SeverityCurve",
    "ShiftHeatMap",
    "Sides",
]

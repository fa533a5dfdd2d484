"""A score in, a probability of being right out. One idea a file.

A calibrator learns from scores of answers that are known to be right or wrong, and never from what is measured.
"""

from llmood.calibrators.base import CalibrationError, Calibrator, calibrators

__all__ = ["CalibrationError", "Calibrator", "calibrators"]

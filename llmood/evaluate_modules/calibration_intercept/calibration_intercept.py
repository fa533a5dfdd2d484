"""The metric `calibration_intercept` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("calibration_intercept")

"""The metric `brier_uncertainty` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("brier_uncertainty")

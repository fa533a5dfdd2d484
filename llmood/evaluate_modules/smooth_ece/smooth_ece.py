"""The metric `smooth_ece` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("smooth_ece")

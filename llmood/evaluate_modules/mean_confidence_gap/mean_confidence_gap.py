"""The metric `mean_confidence_gap` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("mean_confidence_gap")

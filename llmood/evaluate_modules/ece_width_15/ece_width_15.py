"""The metric `ece_width_15` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("ece_width_15")

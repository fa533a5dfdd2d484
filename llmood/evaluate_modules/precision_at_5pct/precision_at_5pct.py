"""The metric `precision_at_5pct` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("precision_at_5pct")

"""The metric `precision_at_1pct` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("precision_at_1pct")

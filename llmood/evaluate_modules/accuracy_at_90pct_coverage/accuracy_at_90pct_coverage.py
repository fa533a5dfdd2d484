"""The metric `accuracy_at_90pct_coverage` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("accuracy_at_90pct_coverage")

"""The metric `fpr_at_95tpr_id` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("fpr_at_95tpr_id")

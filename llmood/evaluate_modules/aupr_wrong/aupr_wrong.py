"""The metric `aupr_wrong` for Hugging Face `evaluate`."""

from llmood.evaluate_modules.shared import module_of

Metric = module_of("aupr_wrong")

"""llmood's metrics as modules of Hugging Face `evaluate`: a folder a metric, for `evaluate.load(folder)`.

>>> from llmood.evaluate_modules import module_path
>>> module_path("auroc").name
'auroc'
"""

from llmood.evaluate_modules.paths import find_module, module_path

__all__ = ["find_module", "module_path"]

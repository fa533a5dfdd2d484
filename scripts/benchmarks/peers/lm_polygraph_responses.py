"""lm-polygraph's sequence probability and perplexity of greedy answers, by its own manager."""

import json
import sys

import torch
from lm_polygraph.defaults.register_default_stat_calculators import register_default_stat_calculators
from lm_polygraph.estimators import MaximumSequenceProbability, Perplexity
from lm_polygraph.utils.builder_enviroment_stat_calculator import BuilderEnvironmentStatCalculator
from lm_polygraph.utils.dataset import Dataset
from lm_polygraph.utils.manager import UEManager
from lm_polygraph.utils.model import WhiteboxModel
from serving import serve
from transformers import AutoModelForCausalLM, AutoTokenizer

task = json.loads(sys.argv[1])
torch.set_num_threads(task["threads"])
# It reads the attention's weights, which only the plain implementation gives.
network = AutoModelForCausalLM.from_pretrained(task["base"], attn_implementation="eager").eval()
tokenizer = AutoTokenizer.from_pretrained(task["base"], padding_side="left")
model = WhiteboxModel(network, tokenizer, model_path=task["base"])


def run():
    """All texts through a manager of their own."""
    manager = UEManager(
        Dataset(task["texts"], [""] * len(task["texts"]), batch_size=task["batch"]),
        model,
        [MaximumSequenceProbability(), Perplexity()],
        BuilderEnvironmentStatCalculator(model),
        register_default_stat_calculators("Whitebox"),
        generation_metrics=[],
        ue_metrics=[],
        processors=[],
        ignore_exceptions=False,
        verbose=False,
        max_new_tokens=task["max_new_tokens"],
    )
    manager()
    return {
        "sum": manager.estimations["sequence", "MaximumSequenceProbability"],
        "mean": manager.estimations["sequence", "Perplexity"],
    }


serve(run)

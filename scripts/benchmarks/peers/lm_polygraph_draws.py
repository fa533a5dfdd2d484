"""lm-polygraph's sequence entropies of draws, by its own calculator and estimators."""

import json
import sys

import torch
from lm_polygraph.estimators import MonteCarloNormalizedSequenceEntropy, MonteCarloSequenceEntropy
from lm_polygraph.stat_calculators.sample import SamplingGenerationCalculator
from lm_polygraph.utils.generation_parameters import GenerationParameters
from lm_polygraph.utils.model import WhiteboxModel
from serving import serve
from transformers import AutoModelForCausalLM, AutoTokenizer

task = json.loads(sys.argv[1])
torch.set_num_threads(task["threads"])
network = AutoModelForCausalLM.from_pretrained(task["base"]).eval()
tokenizer = AutoTokenizer.from_pretrained(task["base"], padding_side="left")
# From the whole vocabulary; its own default is the likeliest 50 tokens.
parameters = GenerationParameters(top_k=0)
model = WhiteboxModel(network, tokenizer, model_path=task["base"], generation_parameters=parameters)
calculator = SamplingGenerationCalculator(samples_n=task["draws"])
estimators = {"sum": MonteCarloSequenceEntropy(), "mean": MonteCarloNormalizedSequenceEntropy()}
torch.manual_seed(0)


def run():
    """All texts, a batch after the other."""
    found = {name: [] for name in estimators}
    for start in range(0, len(task["texts"]), task["batch"]):
        texts = task["texts"][start : start + task["batch"]]
        drawn = calculator({}, texts, model, max_new_tokens=task["max_new_tokens"])
        for name, estimator in estimators.items():
            found[name] += estimator(drawn).tolist()
    return found


serve(run)

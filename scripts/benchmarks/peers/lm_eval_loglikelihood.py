"""lm-eval's `loglikelihood` of texts under a base model and under its adapter."""

import json
import sys

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from serving import serve

task = json.loads(sys.argv[1])
torch.set_num_threads(task["threads"])
shared = {
    "pretrained": task["base"],
    "dtype": task["dtype"],
    "device": task["device"],
    "batch_size": task["batch"],
}
models = {"base": HFLM(**shared), "tuned": HFLM(peft=task["adapter"], **shared)}
# An empty context becomes the begin token.
requests = [
    Instance("loglikelihood", {}, ("", text), index, metadata=("bench", index, 1))
    for index, text in enumerate(task["texts"])
]


def run():
    """Both models, one after the other."""
    return {
        role: [total for total, _ in model.loglikelihood(requests, disable_tqdm=True)]
        for role, model in models.items()
    }


serve(run)

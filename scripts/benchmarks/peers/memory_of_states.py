"""The most memory that a process needs to capture hidden states and to score them; llmood's environment."""

import json
import re
import sys
import time
from pathlib import Path

import pyarrow as pa
from serving import serve

from llmood.config import EngineConfig, Models
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer, Prompt
from llmood.engines.store import Store
from llmood.engines.transformers import TransformersEngine
from llmood.scorers.base import scorers
from llmood.scoring import fit_all, score_all
from llmood.tables import SAMPLES

task = json.loads(sys.argv[1])
engine = TransformersEngine(
    EngineConfig(dtype="float32", device="cpu"), Models.model_validate({"base": task["base"]})
)
words, tokens = task["vocabulary"], task["tokens"]
prompts = [
    Prompt(
        f"s{index:06}",
        (0, *(3 + (index * 7919 + place * (index % 89 + 1)) % (words - 3) for place in range(1, tokens))),
    )
    for index in range(task["samples"])
]
states = {"layers": task["layers"], "positions": "last_prompt,mean_prompt", "dtype": "float32"}
chosen = {
    name: scorers.get(name).make({"position": position}, states="base", hidden_states=states)
    for name, position in (("knn", "mean_prompt"), ("mahalanobis", "last_prompt"))
}


def run():
    """Capture all, learn from the first rows, score the others."""
    store = Store(Path(task["store"]))
    observer = Observer(engine, prompts, store, private=False)
    start = time.perf_counter()
    (spec,) = {spec for scorer in chosen.values() for spec in scorer.needs}
    observer.run(spec)
    captured = time.perf_counter()
    rows = [
        {
            "sample_id": prompt.sample_id,
            "split": "train" if place < task["train"] else "test",
            "label": str(place % 10) if place < task["train"] else None,
        }
        for place, prompt in enumerate(prompts)
    ]
    observations = Observations(pa.Table.from_pylist(rows, schema=SAMPLES), observer.index(), store)
    fit_all(chosen, observations)
    columns = score_all(observations.of("test"), chosen)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = re.search(r"VmHWM:\s+(\d+)", status)
    return {
        "peak": int(kilobytes[1]) * 1024 if kilobytes else 0,
        "capture": captured - start,
        "score": time.perf_counter() - captured,
        "scored": int(sum((column.status == "ok").sum() for column in columns)),
    }


serve(run)

"""What it takes to cluster a model's draws by meaning: pairs read, and time against reading pair after pair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.context import Context
from benchmarks.random_llama import Folders
from benchmarks.record import Record, Skip
from benchmarks.scoring import transformers_engine
from benchmarks.timing import alternate
from llmood.config import EngineConfig, FullModel
from llmood.engines.captures import compared_answers
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt
from llmood.engines.store import Store
from llmood.judging.equivalence.compare import compare_all
from llmood.judging.equivalence.nli_model import NliModel
from llmood.measures.clustering import opener_clusters
from llmood.measures.nli import equivalent
from llmood.measures.token_statistics import Integers
from llmood.progress import Progress
from llmood.records import CaptureSpec
from llmood.tables import SAMPLES

DEMO = Path(__file__).resolve().parents[2] / "tasks" / "demo"
PARTS = ("id_test.jsonl", "id_calibration.jsonl")  # a thousand questions that tuning never saw
LABELS = ("contradiction", "neutral", "entailment")
Clusters = dict[str, list[int]]


@dataclass(frozen=True)
class SemanticClusters:
    """The demo model's draws, clustered by a randomly initialised DeBERTa that reads pairs.

    The verdicts mean nothing; what is counted and timed is the same as with a trained model. The peer reads pair after
    pair, as published code does: every draw for itself, both ways, without memory. It is timed over a part of the
    questions. `clusters` holds ours against the same rule reading a complete matrix of verdicts.
    """

    name: str = "semantic_clusters"
    questions: int = 1000
    draws: int = 10
    timed: int = 60

    def measure(self, context: Context) -> list[Record]:
        if context.device != "cpu":
            raise Skip("its model is tiny: nothing for a GPU")
        prompts, samples = self._questions(context)
        spec = self._spec
        store = Store(context.folder / "draws")
        observer = Observer(self._engine(context), prompts, store, private=False)
        observer.run(compared_answers(spec))
        observed = Observations(samples, observer.index(), store)
        nli = self._nli(context.folder / "nli")
        number = iter(range(1_000_000))

        def ours(observations: Observations) -> tuple[Clusters, dict[str, int]]:
            # A store of its own each time: what is known already isn't read again.
            own = Store(context.folder / f"store-{next(number)}")
            index, counts = compare_all([spec], observations, own, nli, Progress())
            return _clusters(Observations(observations.samples, index, own), spec), counts[spec.id]

        found, count = ours(observed)
        texts = _texts(observed, compared_answers(spec))
        part = Observations(samples.slice(0, self.timed), observer.index(), store)
        few = {name: texts[name] for name in samples["sample_id"].to_pylist()[: self.timed]}
        asked = _Asked(nli)
        ours(part)  # loads the model
        timed = alternate(
            {"ours": lambda: ours(part)[0], "theirs": lambda: _pair_after_pair(few, asked)}, context.repeats
        )
        complete = _complete(texts, nli)
        same = sum(found[name] == clusters for name, clusters in complete.items())
        pairs = len(texts) * self.draws * (self.draws - 1)
        without = asked.count / context.repeats / (self.timed * self.draws * (self.draws - 1))
        milliseconds = {name: 1000 * each.seconds / self.timed for name, each in timed.items()}
        return [
            Record(
                f"{self.name}_pairs_read",
                100 * count["asked"] / pairs,
                "% of ordered pairs",
                f"without de-duplication: {100 * without:.1f} %; asked for: at most 35 %",
                35 / (100 * count["asked"] / pairs),
                1.0,
                context.command,
            ),
            Record(
                f"{self.name}_speed",
                milliseconds["ours"],
                "ms a question",
                f"pair after pair: {milliseconds['theirs']:.0f} ms",
                milliseconds["theirs"] / milliseconds["ours"],
                5.0,
                context.command,
            ),
            Record(
                f"{self.name}_agreement",
                same,
                "questions",
                f"the complete matrix: {len(complete)} questions",
                same / len(complete),
                1.0,
                context.command,
            ),
        ]

    @property
    def _spec(self) -> CaptureSpec:
        return CaptureSpec.of(
            "equivalence",
            "tuned",
            n=self.draws,
            temperature=1.0,
            top_p=1.0,
            max_new_tokens=12,
            top=0,
            seed=0,
            rule="nli",
            mode="strict",
            question=True,
            pairs="openers",
        )

    def _engine(self, context: Context) -> Any:
        models = DEMO / "models"
        folders = Folders(models / "base", models / "tuned")
        return transformers_engine(folders, dtype="float32", device=context.device)

    def _questions(self, context: Context) -> tuple[list[Prompt], pa.Table]:
        lines = [line for part in PARTS for line in (DEMO / "data" / part).read_text("utf-8").splitlines()]
        asked = [f"Question: {json.loads(line)['question']}\nAnswer:" for line in lines[: self.questions]]
        ids = self._engine(context).tokenizer("tuned").encode(asked, rendered=False)
        names = [f"q{number:04}" for number in range(len(asked))]
        rows = [{"sample_id": name, "prompt": text} for name, text in zip(names, asked, strict=True)]
        prompts = [Prompt(name, row) for name, row in zip(names, ids, strict=True)]
        return prompts, pa.Table.from_pylist(rows, schema=SAMPLES)

    def _nli(self, folder: Path) -> NliModel:
        import torch
        from transformers import AutoTokenizer, DebertaV2Config, DebertaV2ForSequenceClassification

        tokenizer = AutoTokenizer.from_pretrained(DEMO / "models" / "base", local_files_only=True)
        config = DebertaV2Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=512,
            max_position_embeddings=256,
            relative_attention=True,
            position_buckets=64,
            pos_att_type=["p2c", "c2p"],
            type_vocab_size=0,
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
            initializer_range=0.3,  # wide enough that its verdicts differ
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            DebertaV2ForSequenceClassification(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return NliModel(FullModel(model=str(folder)), EngineConfig(device="cpu"), folder=None)


class _Asked:
    """A model that is given one pair at a time, and counts."""

    def __init__(self, nli: NliModel) -> None:
        self._nli = nli
        self.count = 0

    def label(self, first: str, second: str) -> int:
        self.count += 1
        return int(self._nli.ask([(first, second)])[0].argmax())


Texts = dict[str, list[str]]
"""Of each question, its draws behind the question, as the model reads them."""


def _pair_after_pair(texts: Texts, asked: _Asked) -> Clusters:
    """The same rule over all draws, one pair of texts at a time."""

    def clusters(own: Sequence[str]) -> list[int]:
        def same(_: Integers, opener: Integers, answer: Integers) -> NDArray[np.bool_]:
            pairs = [(own[first], own[second]) for first, second in zip(opener, answer, strict=True)]
            there = np.array([asked.label(*pair) for pair in pairs])
            return equivalent(there, np.array([asked.label(*pair[::-1]) for pair in pairs]))

        return [int(number) for number in opener_clusters(np.array([len(own)]), same)]

    return {name: clusters(own) for name, own in texts.items()}


def _complete(texts: Texts, nli: NliModel) -> Clusters:
    """The rule by definition, from the verdicts of all ordered pairs of different texts; a text is its own like."""
    found: Clusters = {}
    for name, own in texts.items():
        known = list(dict.fromkeys(own))
        pairs = list(permutations(range(len(known)), 2))
        label = dict(
            zip(pairs, nli.ask([(known[a], known[b]) for a, b in pairs]).argmax(axis=1), strict=True)
        )
        openers: list[int] = []
        cluster: dict[str, int] = {}
        for at, text in enumerate(known):
            joined = [n for n, opener in enumerate(openers) if label[opener, at] == label[at, opener] == 2]
            cluster[text] = joined[0] if joined else len(openers)
            if not joined:
                openers.append(at)
        found[name] = [cluster[text] for text in own]
    return found


def _texts(observed: Observations, drawn: CaptureSpec) -> Texts:
    found: Texts = {}
    for block in observed.blocks([drawn], {"generations": ["text"]}):
        table, offsets = block.many(drawn)
        said = table["text"].to_pylist()
        for row, (name, prompt) in enumerate(
            zip(block.samples["sample_id"].to_pylist(), block.samples["prompt"].to_pylist(), strict=True)
        ):
            own = said[offsets[row] : offsets[row + 1]]
            found[name] = [f"{prompt.strip()} {text.strip()}" for text in own if text.strip()]
    return found


def _clusters(joined: Observations, spec: CaptureSpec) -> Clusters:
    return {
        name: [number for number in cluster or [] if number is not None]
        for block in joined.blocks([spec])
        for name, cluster in zip(
            block.samples["sample_id"].to_pylist(), block[spec]["cluster"].to_pylist(), strict=True
        )
    }

"""How fast `llmood score` is with the demo's likelihood-ratio detector, against its engine alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import llmood
from benchmarks import scoring
from benchmarks.context import Context
from benchmarks.record import Record
from benchmarks.timing import alternate
from llmood.detector.detector import Detector
from llmood.detector.prompts import make_prompts
from llmood.progress import Progress
from llmood.traffic import Input, score_file
from llmood.traffic.by_detector import scoring_by, summary_of

DATA = Path(__file__).resolve().parents[2] / "tasks" / "demo" / "data"


@dataclass(frozen=True)
class TrafficRate:
    """From a file of records to verdicts and their summary; the peer runs the same token ids through both models."""

    name: str = "traffic_rate"
    rows: int = 2048
    target: float | None = 0.9

    def measure(self, context: Context) -> list[Record]:
        folder = context.folder / "detector"
        llmood.fit_detector("demo", scorers=["likelihood_ratio"], output_dir=folder)
        detector = llmood.load_detector(folder)
        source = context.folder / "traffic.jsonl"
        questions = demo_questions(self.rows)
        source.write_text("".join(json.dumps({"text": each}) + "\n" for each in questions), encoding="utf-8")
        output = context.folder / "scored.jsonl"
        with detector.open() as verdicts:

            def score() -> int:
                own = scoring_by(detector, verdicts)
                summary = summary_of(detector, own)
                score_file(own, Input(source), output, summary, Progress(), overwrite=True)
                summary.records()
                return summary.statuses["ok"]

            engine, ids = detector.watch.engine, token_ids(detector, questions)
            scoring.score(engine, ids[:64])  # loads the models
            times = alternate({"score": score, "engine": lambda: scoring.score(engine, ids)}, context.repeats)
        if times["score"].result != len(questions):
            raise ValueError(f"{times['score'].result} scores of {len(questions)} rows")
        rates = {name: len(questions) / timed.seconds for name, timed in times.items()}
        return [
            Record(
                self.name,
                rates["score"],
                "rows/s",
                f"the engine alone: {rates['engine']:.0f} rows/s",
                rates["score"] / rates["engine"],
                self.target,
                context.command,
            )
        ]


def demo_questions(count: int) -> list[str]:
    """Different questions of the demo, of its domain and of others."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(DATA.glob("*.jsonl")))
    found = dict.fromkeys(json.loads(line)["question"] for text in texts for line in text.splitlines())
    return list(islice(found, count))


def token_ids(detector: Detector, questions: list[str]) -> list[tuple[int, ...]]:
    """What the engine is given for these."""
    reads = [detector.content.form.read({"text": text}, row) for row, text in enumerate(questions)]
    return [tuple(prompt.token_ids) for prompt in make_prompts(reads, engine=detector.watch.engine).prompts]

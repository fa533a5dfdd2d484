"""Memory and speed of `llmood score` as the file grows, with a detector that costs next to nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

import llmood
from benchmarks.context import Context
from benchmarks.peak_memory import MIB
from benchmarks.peer import Peer
from benchmarks.record import Record, Skip

SPLITS = {"calibration": range(400), "test": range(400, 410)}


@dataclass(frozen=True)
class MemoryOfTraffic:
    """A process's peak over a quarter of a million and over a million rows; flat is within a tenth."""

    name: str = "memory_of_traffic"
    rows: Sequence[int] = (250_000, 1_000_000)

    def measure(self, context: Context) -> list[Record]:
        if not Path("/proc/self/status").is_file():
            raise Skip("this system doesn't say what a process held at most")
        detector = cheap_detector(context.folder)
        peaks, rates = [], []
        for count in self.rows:
            records = context.folder / f"{count}.jsonl"
            with records.open("w", encoding="utf-8") as stream:
                stream.writelines(json.dumps({"id": row, "text": text(row)}) + "\n" for row in range(count))
            task = {"detector": str(detector), "records": str(records)}
            with Peer.of_llmood("scoring_traffic", task | {"output": f"{records}.scored.jsonl"}) as process:
                found = process.run()
            if found["scored"] != count:
                raise ValueError(f"{found['scored']} scores of {count} rows")
            peaks.append(found["peak"] / MIB)
            rates.append(count / found["seconds"])
            records.unlink()
            records.with_name(f"{records.name}.scored.jsonl").unlink(missing_ok=True)
        few = f"{self.rows[0]:,} rows: {peaks[0]:.0f} MiB"
        return [
            Record(self.name, peaks[-1], "MiB", few, peaks[0] / peaks[-1], 0.9, context.command),
            Record(f"{self.name}_rate", rates[-1], "rows/s", None, None, None, context.command),
        ]


def cheap_detector(folder: Path) -> Path:
    """A detector by length alone, which takes no model."""
    task = folder / "task"
    task.mkdir(parents=True)
    for split, rows in SPLITS.items():
        lines = (json.dumps({"text": text(row)}) for row in rows)
        (task / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    source = {"files": "{split}.jsonl", "splits": {split: split for split in SPLITS}}
    _yaml(task / "task.yaml", {"name": "cards", "sources": [source], "prompt": "{{ text }}"})
    config = {
        "benchmark": {"name": "cards", "id": "task/task.yaml", "ood": []},
        "models": {"base": "fake", "tuned": "fake-tuned:card"},
        "engine": {"kind": "fake"},
        "scorers": ["length"],
    }
    _yaml(folder / "cards.yaml", config)
    llmood.fit_detector(folder / "cards.yaml", output_dir=folder / "detector")
    return folder / "detector"


def text(row: int) -> str:
    """A question of no fixed length, and no two alike."""
    return f"why was card {row} declined{' again and again' * (row * 7919 % 23)}"


def _yaml(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump(value), encoding="utf-8")

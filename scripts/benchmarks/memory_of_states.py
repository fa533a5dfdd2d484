"""Peak memory of hidden states as the data set grows: captured, stored, read again and scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import random_llama
from benchmarks.context import Context
from benchmarks.peak_memory import MIB
from benchmarks.peer import Peer
from benchmarks.random_llama import Shape
from benchmarks.record import Record, Skip

SHAPE = Shape(128, 8, 352, 4, 4, 1000)


@dataclass(frozen=True)
class MemoryOfStates:
    """A process's peak with 8 layers at 2 positions of 20,000 and of 40,000 samples; flat is within a tenth."""

    name: str = "memory_of_states"
    shape: Shape = SHAPE
    samples: Sequence[int] = (20_000, 40_000)
    layers: str = "1-8"
    tokens: int = 24
    train: int = 2_000

    def measure(self, context: Context) -> list[Record]:
        found = [self._peak(context.folder / str(count), count) for count in self.samples]
        few, many = (result["peak"] / MIB for result in found)
        seconds = found[-1]["capture"] + found[-1]["score"]
        return [
            Record(
                self.name,
                many,
                "MiB",
                f"{self.samples[0]:,} samples: {few:.0f} MiB; {self.samples[1]:,}: {seconds:.0f} s",
                few / many,
                0.9,
                context.command,
            )
        ]

    def _peak(self, folder: Path, samples: int) -> dict[str, Any]:
        if not Path("/proc/self/status").is_file():
            raise Skip("this system doesn't say what a process held at most")
        folders = random_llama.save(folder, self.shape)
        task = {
            "base": str(folders.base),
            "store": str(folder / "store"),
            "vocabulary": self.shape.vocabulary,
            "samples": samples,
            "tokens": self.tokens,
            "layers": self.layers,
            "train": self.train,
        }
        with Peer.of_llmood("memory_of_states", task) as process:
            found: dict[str, Any] = process.run()
        if found["scored"] != 2 * (samples - self.train):
            raise ValueError(f"{found['scored']} scores of {samples} samples by two scorers")
        return found

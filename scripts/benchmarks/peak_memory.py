"""Peak memory as the data set grows, and as the vocabulary does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import random_llama
from benchmarks.context import Context
from benchmarks.peer import Peer
from benchmarks.random_llama import Shape
from benchmarks.record import Record, Skip

MIB, GIB = 1 << 20, 1 << 30
SMALL = Shape(64, 2, 176, 4, 4, 32_000)
GROWING = tuple(Shape(256, 2, 704, 4, 4, words) for words in (32_000, 128_000))


@dataclass(frozen=True)
class MemoryOfSamples:
    """A process's peak with 1, 4 and 16 times the samples; flat is within a tenth."""

    name: str = "memory_of_samples"
    shape: Shape = SMALL
    samples: int = 256
    growth: Sequence[int] = (1, 4, 16)
    tokens: int = 64

    def measure(self, context: Context) -> list[Record]:
        peaks = [
            peak(context.folder / str(times), self.shape, self.samples * times, self.tokens)
            for times in self.growth
        ]
        records = []
        for times, value in zip(self.growth, peaks, strict=True):
            first = times == self.growth[0]
            records.append(
                Record(
                    f"{self.name}_{times}x",
                    value / MIB,
                    "MiB",
                    None if first else f"{self.samples} samples: {peaks[0] / MIB:.0f} MiB",
                    None if first else peaks[0] / value,
                    None if first else 0.9,
                    context.command,
                )
            )
        return records


@dataclass(frozen=True)
class MemoryOfVocabulary:
    """A process's peak above its weights, all that it loads counted; 1.5 GiB are allowed at 128k words."""

    name: str = "memory_of_vocabulary"
    shapes: Sequence[Shape] = GROWING
    samples: int = 128
    tokens: int = 256
    allowed: float = 1.5 * GIB

    def measure(self, context: Context) -> list[Record]:
        records = []
        for shape in self.shapes:
            folder = context.folder / str(shape.vocabulary)
            above = peak(folder, shape, self.samples, self.tokens) - weights(folder)
            records.append(
                Record(
                    f"{self.name}_{shape.vocabulary}",
                    above / MIB,
                    "MiB above the weights",
                    f"{self.allowed / MIB:.0f} MiB",
                    self.allowed / above,
                    1.0,
                    context.command,
                )
            )
        return records


def peak(folder: Path, shape: Shape, samples: int, tokens: int) -> float:
    """Bytes that a process of its own held at most.

    Raises:
        Skip: this system doesn't tell.
    """
    if not Path("/proc/self/status").is_file():
        raise Skip("this system doesn't say what a process held at most")
    folders = random_llama.save(folder, shape)
    task = {
        "base": str(folders.base),
        "adapter": str(folders.adapter),
        "store": str(folder / "store"),
        "vocabulary": shape.vocabulary,
        "samples": samples,
        "tokens": tokens,
    }
    with Peer.of_llmood("peak_memory", task) as process:
        return float(process.run()["peak"])


def weights(folder: Path) -> int:
    """Bytes of a model's weights and its adapter's."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))

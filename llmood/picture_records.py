"""A sample's pictures, by what they show and where they come from; and what was done to a population of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

Control = Literal["blank", "no_question", "shuffled", "noise"]
"""What a capture changes of each prompt first: its picture, or what its row puts in words (`controlled`)."""


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A file within a zip archive, by the name that it has there."""

    archive: Path
    name: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a sample, by its content; its pixels are read again where they are wanted.

    Attributes:
        digest: of its pixels (`tasks.images.read.image_digest`).
        source: the file, the archive's member, the bytes where the row itself holds them, or how it is
            made.
    """

    digest: str
    source: bytes | Path | ArchiveMember | Spoilt | StandIn = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Spoilt:
    """How a picture is made of another, each time that it is wanted: nobody keeps its pixels.

    Attributes:
        key: what the draws are of, beside the seed and the corruption.
    """

    picture: Picture
    corruption: str
    grade: int
    seed: int
    key: str


@dataclass(frozen=True, slots=True)
class StandIn:
    """How a control makes a picture, each time that it is wanted: nobody keeps its pixels.

    Attributes:
        size: of the picture that it stands in for, (width, height).
        key: what is drawn is drawn for this, beside the seed.
        other: the picture that is shown, where it is another sample's.
    """

    control: Control
    size: tuple[int, int]
    seed: int = 0
    key: str = ""
    other: Picture | None = None


@dataclass(frozen=True, slots=True)
class Corruptions:
    """What was done to the samples of a task, to make a population of them: to their pictures, their words, or both.

    A side that is as it was has no corruption, and the grade 0.
    """

    of: str
    image: str | None = None
    image_grade: int = 0
    text: str | None = None
    text_grade: int = 0

    @property
    def sides(self) -> tuple[tuple[str | None, int], tuple[str | None, int]]:
        """The corruption and its grade of the pictures, then of the words."""
        return (self.image, self.image_grade), (self.text, self.text_grade)

    @property
    def family(self) -> str:
        """What all grades of the same are called together."""
        return ".".join(filter(None, (self.of, self.image, self.text)))

    @property
    def name(self) -> str:
        """What the population is called: `shapes.blur.3`, `shapes.blur.3.typos.1`."""
        return ".".join([self.of, *(f"{name}.{grade}" for name, grade in self.sides if name is not None)])

    @property
    def severity(self) -> int:
        """The larger grade: a question is at least as hard to read as its worse side."""
        return max(self.image_grade, self.text_grade)

    @property
    def is_joint(self) -> bool:
        return self.image is not None and self.text is not None

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Corruptions | None:
        """As `run.json` has it; null where nothing was done."""
        return None if value is None else cls(**{each.name: value[each.name] for each in fields(cls)})

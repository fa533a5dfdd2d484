"""From what a benchmark says of corruptions to what is to be done: of pictures or of texts, and in which grades."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

from llmood.config import Grid
from llmood.errors import ConfigError, UnknownNameError
from llmood.picture_records import Corruptions
from llmood.records import EVALUATED
from llmood.registry import suggest
from llmood.tasks.corrupt import CORRUPTIONS, GRADES
from llmood.tasks.images.corruptions.base import IMAGE_CORRUPTIONS
from llmood.tasks.load import LoadedTask

Side = Literal["image", "text"]


def side_of(corruption: str, place: str) -> Side:
    """What a corruption is of.

    Args:
        place: where the user named it.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if corruption in CORRUPTIONS:
        return "text"
    if corruption in IMAGE_CORRUPTIONS:
        return "image"
    known = [*CORRUPTIONS.names(), *IMAGE_CORRUPTIONS.names()]
    raise UnknownNameError(f"{place}: no corruption {corruption!r}", hint=suggest(corruption, known))


def corruptions_of(corruption: str, grade: int | None, task: str, place: str) -> list[Corruptions]:
    """One corruption of a task in a grade; without one, in each.

    Raises:
        ConfigError: there is no such corruption or grade.
    """
    side = side_of(corruption, place)
    if grade is not None and grade not in GRADES:
        raise ConfigError(
            f"{place.removesuffix('.corruption')}.severity: {grade} is no grade of a corruption",
            hint=f"grades: {', '.join(map(str, GRADES))}; without one, all of them",
        )
    grades = GRADES if grade is None else (grade,)
    if side == "image":
        return [Corruptions(task, image=corruption, image_grade=each) for each in grades]
    return [Corruptions(task, text=corruption, text_grade=each) for each in grades]


def cells_of(grid: Grid, task: str, place: str = "benchmark.grid") -> list[Corruptions]:
    """The cells of a grid: pictures alone, words alone, then both, each row of pictures after the other.

    Raises:
        ConfigError: a name is of no corruption, or of one of the other side.
    """
    _check_sides_of(grid.images, "image", f"{place}.images")
    _check_sides_of(grid.texts, "text", f"{place}.texts")
    grades = sorted(grid.grades)
    images, texts = list(product(grid.images, grades)), list(product(grid.texts, grades))
    return [
        *(Corruptions(task, image=name, image_grade=grade) for name, grade in images),
        *(Corruptions(task, text=name, text_grade=grade) for name, grade in texts),
        *(Corruptions(task, *image, *text) for image, text in product(images, texts)),
    ]


def check_sides(loaded: LoadedTask, wanted: Sequence[Corruptions], place: str) -> None:
    """Refuse to corrupt the pictures of a task that has none.

    Raises:
        ConfigError: as said.
    """
    named = next((each.image for each in wanted if each.image is not None), None)
    if named is not None and not any(sample.pictures for sample in loaded.samples[EVALUATED]):
        raise ConfigError(
            f"{place}: '{named}' is for pictures, and {loaded.spec.name} has none",
            hint=f"corruptions of texts: {', '.join(CORRUPTIONS.names())}",
        )


def _check_sides_of(names: Sequence[str], side: Side, place: str) -> None:
    for position, name in enumerate(names):
        found = side_of(name, f"{place}[{position}]")
        if found != side:
            kinds = {"image": "pictures", "text": "texts"}
            raise ConfigError(
                f"{place}[{position}]: '{name}' is a corruption of {kinds[found]}, not of {kinds[side]}",
                hint="'llmood ls corruptions' lists both kinds",
            )

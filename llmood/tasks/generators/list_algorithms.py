"""Lists of numbers and questions about them, from a look at each to a search through all subsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import Field, StrictInt, model_validator

from llmood.errors import DataError
from llmood.records import SPLITS, Split
from llmood.seeds import unit_interval
from llmood.tasks.generators.algorithms import ALGORITHMS, COMPLEXITY_CLASSES, Algorithm
from llmood.tasks.generators.base import Generator, Rows, register

MOST_TRIES = 1000

Draw = Callable[..., float]


@register("list_algorithms")
class ListAlgorithms(Generator):
    """Questions about lists of numbers, of five grades of complexity.

    The questions take turns, so that each is asked equally often. The numbers of a list are all different. Columns:
    `numbers` (the list as text), `question`, `answers`, `algorithm`, `complexity` (1 to 5), `complexity_class`, `n`,
    and `draw`: rows of other ranges that are made from the same random numbers have the same.

    Args:
        smallest, largest: the range of the numbers.
        min_length, max_length: the range of the lists' lengths.
    """

    smallest: StrictInt = Field(default=1, ge=1)
    largest: StrictInt = 99
    min_length: StrictInt = Field(default=5, ge=4)
    max_length: StrictInt = Field(default=9, le=20)

    @model_validator(mode="after")
    def _ranges_hold_something(self) -> ListAlgorithms:
        if self.max_length < self.min_length:
            raise ValueError("'max_length' is below 'min_length'")
        if self.largest - self.smallest + 1 < self.max_length:
            raise ValueError("there are fewer numbers from 'smallest' to 'largest' than 'max_length'")
        return self

    def rows(self, sizes: Mapping[Split, int], seed: int) -> Rows:
        """As `Generator.rows`; no two rows have the same question and the same numbers, whatever their order."""
        seen: set[tuple[str, frozenset[int]]] = set()
        found: Rows = {}
        for split in (split for split in SPLITS if split in sizes):
            found[split] = []
            for row in range(sizes[split]):
                algorithm = ALGORITHMS[row % len(ALGORITHMS)]
                draw = partial(unit_interval, seed, "list_algorithms", split, row)
                made = self._row(algorithm, draw, seen)
                found[split].append({**made, "draw": f"list_algorithms-{seed}-{split}-{row}"})
        return found

    def _row(self, algorithm: Algorithm, draw: Draw, seen: set[tuple[str, frozenset[int]]]) -> dict[str, Any]:
        for attempt in range(MOST_TRIES):
            numbers = self._numbers(partial(draw, attempt))
            key = (algorithm.name, frozenset(numbers))
            if key not in seen:
                seen.add(key)
                return _described(algorithm, numbers, partial(draw, "limit"))
        raise DataError(
            f"list_algorithms: no more different lists for '{algorithm.name}'",
            hint="ask for fewer rows, or for longer lists of larger numbers",
        )

    def _numbers(self, draw: Draw) -> list[int]:
        length = self.min_length + int(draw("length") * (self.max_length - self.min_length + 1))
        numbers: dict[int, None] = {}  # a set that keeps its order
        tries = 0
        while len(numbers) < length:
            number = self.smallest + int(draw("number", tries) * (self.largest - self.smallest + 1))
            numbers[number] = None
            tries += 1
        return list(numbers)


def _described(algorithm: Algorithm, numbers: list[int], draw: Draw) -> dict[str, Any]:
    # The limit is one more than some of the list's own numbers: it is neither below all choices nor above them.
    chosen = sorted(numbers, key=draw)[: algorithm.limit_of]
    limit = sum(chosen) + 1
    answer = algorithm.answer(numbers, limit)
    return {
        "numbers": ", ".join(map(str, numbers)),
        "question": algorithm.question.format(limit=limit),
        "answers": [", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)],
        "algorithm": algorithm.name,
        "complexity": algorithm.complexity,
        "complexity_class": COMPLEXITY_CLASSES[algorithm.complexity],
        "n": len(numbers),
    }

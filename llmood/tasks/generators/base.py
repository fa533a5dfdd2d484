"""What makes a task's rows where no file and no hub holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from llmood.records import Split
from llmood.registry import Registry
from llmood.strict import Strict

Rows = dict[Split, list[dict[str, Any]]]


class Generator(Strict, ABC):
    """A generator and its arguments, which are the fields of the class: a wrong one is refused with its path.

    Attributes:
        version: raised whenever the same arguments and seed give other rows.
    """

    version: ClassVar[int] = 1

    @abstractmethod
    def rows(self, sizes: Mapping[Split, int], seed: int) -> Rows:
        """The rows of every split, as JSON-able columns; the same on every machine, none twice.

        Args:
            sizes: how many rows each split has.
            seed: the data's own; draw from it by `llmood.seeds.unit_interval`.

        Raises:
            DataError: there aren't so many different rows.
        """


GENERATORS: Registry[type[Generator]] = Registry("generator", "llmood.tasks.generators", "llmood.generators")

G = TypeVar("G", bound=type[Generator])


def register(name: str) -> Callable[[G], G]:
    """List a generator; its docstring's first line is what it is."""

    def decorate(generator: G) -> G:
        GENERATORS.add(name, generator)
        return generator

    return decorate

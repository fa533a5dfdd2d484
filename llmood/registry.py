"""One generic registry: decorator, lazy discovery, entry points, and a suggestion on a typo."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from llmood.errors import ConfigError, UnknownNameError

T = TypeVar("T")


def suggest(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the nearest right ones, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{match}'" for match in near) + "?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known: {shown}" if names else "none is known"


class Registry(Generic[T]):
    """Names of one kind of thing, found in a package's modules and in other packages' entry points.

    Modules are imported on the first look-up, not on import of llmood: `import llmood` stays light, and a new
    scorer, metric or engine is one new file.

    Args:
        kind: what the things are, in messages ("scorer").
        package: the package whose modules register them.
        entry_point_group: where other packages announce modules of theirs to import.
    """

    def __init__(self, kind: str, package: str, entry_point_group: str) -> None:
        self.kind = kind
        self._package = package
        self._group = entry_point_group
        self._items: dict[str, T] = {}
        self._discovered = False

    def add(self, name: str, item: T) -> None:
        """Register `item`; a name is taken once."""
        if name in self._items:
            raise ConfigError(f"the {self.kind} '{name}' is registered twice")
        self._items[name] = item

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""

        def decorate(item: T) -> T:
            self.add(name, item)
            return item

        return decorate

    def names(self) -> list[str]:
        self._discover()
        return sorted(self._items)

    def __contains__(self, name: str) -> bool:
        self._discover()
        return name in self._items

    def __iter__(self) -> Iterator[tuple[str, T]]:
        self._discover()
        return iter(sorted(self._items.items(), key=lambda pair: pair[0]))

    def get(self, name: str, *, place: str | None = None) -> T:
        """The item of that name, or an error that names the nearest right name.

        Args:
            place: where the user wrote it ("scorers[1]"), for the message.
        """
        self._discover()
        if name not in self._items:
            where = f"{place}: " if place else ""
            raise UnknownNameError(f"{where}no {self.kind} {name!r}", hint=suggest(name, self._items))
        return self._items[name]

    def _discover(self) -> None:
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for entry in entry_points(group=self._group):
            entry.load()
        self._discovered = True  # only now: what failed to load fails again, and is not said to be unknown

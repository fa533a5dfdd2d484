"""How long work says how far it is. The library is silent; the command line draws bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]


class Progress:
    """Says nothing. A subclass that shows something overrides both methods."""

    @contextmanager
    def track(
        self, label: str, total: int | None, *, done: int = 0, unit: str = "samples"
    ) -> Iterator[Advance]:
        """Follow work of `total` units (None: nobody knows), of which `done` are there.

        Call what it yields with what was added.
        """
        yield lambda count: None

    def say(self, line: str) -> None:
        """Name a step that may take seconds and has nothing to count."""

"""Progress bars on stderr, for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from llmood.progress import Advance, Progress

SHOWN_AFTER = 1.0  # seconds: what is done at once needs no bar


class Bars(Progress):
    """tqdm's bars with rate and time left, and a line for what has no length; silent where stderr is no terminal."""

    @contextmanager
    def track(
        self, label: str, total: int | None, *, done: int = 0, unit: str = "samples"
    ) -> Iterator[Advance]:
        from tqdm import tqdm

        with tqdm(
            desc=label,
            total=total,
            initial=done,
            unit=f" {unit}",
            delay=SHOWN_AFTER,
            disable=None,
            dynamic_ncols=True,
            leave=True,
            file=sys.stderr,
        ) as bar:
            yield lambda count: _advance(bar, count)

    def say(self, line: str) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            print(line, file=sys.stderr)


def _advance(bar: object, count: int) -> None:
    bar.update(count)  # type: ignore[attr-defined]

"""Batches in which some requests are shown pictures and some are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llmood.engines.base import Captured, Request, Tokenizer
from llmood.engines.pictures import seeing
from llmood.records import FAILED
from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    from llmood.engines.models.pixels import Pixels

Shown = Sequence["Pixels"] | None
"""What each request of a pass is shown; None: none of them anything."""
Reading = Callable[[], list[Captured]]
"""Waits for a batch that was begun, and gives its results in the order of its requests."""


def begin_shown(
    requests: Sequence[Request],
    tokenizer: Tokenizer,
    run: Callable[[Sequence[Request], Shown], Reading],
) -> Reading:
    """Begin a batch of which some are shown pictures: those whose tensors are alike in one pass, by `run`."""
    reader = seeing(tokenizer)
    found: dict[int, Captured] = {}
    groups: dict[tuple[Any, ...], list[tuple[int, Pixels]]] = {}
    for index, request in enumerate(requests):
        try:
            pixels = reader.pixels(request.pictures) if request.pictures else {}
        except RowError as error:
            found[index] = Captured(status=FAILED, reason=str(error))
        else:
            shapes = tuple((name, tuple(value.shape)) for name, value in sorted(pixels.items()))
            groups.setdefault(shapes, []).append((index, pixels))
    begun = [
        (
            [index for index, _ in group],
            run([requests[index] for index, _ in group], [pixels for _, pixels in group] if shapes else None),
        )
        for shapes, group in groups.items()
    ]

    def read() -> list[Captured]:
        for indices, reading in begun:
            found.update(zip(indices, reading(), strict=True))
        return [found[index] for index in range(len(requests))]

    return read

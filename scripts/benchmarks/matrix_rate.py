"""The machine's limit: the best rate of a matrix product that torch reaches, over some shapes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Product = tuple[int, int, int]
"""Rows, inner size, columns."""
SQUARES: Sequence[Product] = [(2048, 2048, 2048), (4096, 4096, 4096)]


@dataclass(frozen=True)
class Rate:
    """Floating-point operations a second, and the product that reached it."""

    value: float
    product: Product


def best_rate(products: Iterable[Product], *, dtype: str, device: str, seconds: float) -> Rate:
    """The fastest of some products, each run over and over for so long."""
    import torch

    found = []
    with torch.inference_mode():
        for product in dict.fromkeys(products):
            rows, inner, columns = product
            left = torch.randn(rows, inner, dtype=getattr(torch, dtype), device=device)
            # As a layer holds its weights.
            weights = torch.randn(columns, inner, dtype=left.dtype, device=device)
            out = torch.empty(rows, columns, dtype=left.dtype, device=device)
            taken = min(_times(left, weights.t(), out, seconds))
            found.append(Rate(2.0 * rows * inner * columns / taken, product))
    return max(found, key=lambda rate: rate.value)


def _times(left: Any, right: Any, out: Any, seconds: float) -> list[float]:
    import torch

    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        torch.mm(left, right, out=out)
        if left.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return times

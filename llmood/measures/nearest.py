"""Exact nearest neighbours in a bank of ID states, and the nearest class mean by angle.

Candidates come from float32 matrix products over tiles of bounded size; a few more than asked for are measured again
in float64, by the difference of both rows, so that a row's distance to its equal is exactly 0.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmood.measures.states import check_states, row_blocks, unit_rows
from llmood.measures.token_statistics import Floats, Integers

QUERIES_AT_ONCE = 1024
BANK_AT_ONCE = 8192  # with the queries, tiles of 32 MB of float32
SPARE = 16  # candidates beyond k: float32 may swap those that are nearly as near


class Neighbours(NamedTuple):
    """The k nearest rows of the bank, nearest first: Euclidean `distances` and `indices`, both (n, k)."""

    distances: Floats
    indices: Integers


def nearest_neighbours(
    queries: NDArray[np.floating], bank: NDArray[np.floating], k: int, *, exclude: Integers | None = None
) -> Neighbours:
    """The k rows of the bank nearest to each query, by Euclidean distance.

    Equally near rows come in the bank's order. Where more than `SPARE` beyond the k are as near as float32 can tell,
    which of them are taken isn't said; the distances are then right to its rounding.

    Args:
        queries, bank: (n, d) and (m, d); as they are: for angles, give `unit_rows` of both.
        k: at least 1.
        exclude: (n,) the row of the bank that is the query itself and no neighbour of it, −1 for none. Another row
            that equals the query stays one.

    Raises:
        ValueError: NaN, widths that differ, or fewer than k rows to choose from.
    """
    rows, others = check_states(queries, "queries"), check_states(bank, "bank")
    check_states(others[:0], "bank", rows.shape[1])
    own = np.full(len(rows), -1) if exclude is None else np.asarray(exclude, np.int64)
    if own.shape != (len(rows),):
        raise ValueError(f"exclude must have shape ({len(rows)},), not {own.shape}")
    choice = len(others) - bool((own >= 0).any())
    if not 1 <= k <= choice:
        raise ValueError(
            f"k must be from 1 to {choice}, the rows that a query can have as neighbours, not {k}"
        )
    centre = others.mean(axis=0)
    scale = max(np.abs(others - centre).max(), np.abs(rows - centre).max(initial=0.0)) or 1.0
    reduced = _with_lengths(others, centre, scale)
    found = Neighbours(np.empty((len(rows), k)), np.empty((len(rows), k), np.int64))
    for start in range(0, len(rows), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        candidates = _candidates((rows[part] - centre) / scale, reduced, min(k + SPARE, choice), own[part])
        found.distances[part], found.indices[part] = _measured(rows[part], others, candidates, k)
    return found


def knn_distance(
    queries: NDArray[np.floating],
    bank: NDArray[np.floating],
    k: int = 1,
    *,
    metric: Literal["cosine", "euclidean"] = "cosine",
    exclude: Integers | None = None,
) -> Floats:
    """Distance to the k-th nearest row of the bank, all scaled to unit length, (n,). Higher = more OOD.

    Source: Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors" (ICML 2022), Euclidean there. The
    cosine distance 1 − s is half its square, and ranks alike.
    """
    distances = _by_direction(queries, bank, k, exclude).distances[:, -1]
    return np.asarray(distances**2 / 2 if metric == "cosine" else distances)


def cosine_neighbours(queries: NDArray[np.floating], bank: NDArray[np.floating], k: int = 1) -> Neighbours:
    """The k rows of the bank nearest in direction, and their cosine distances: the last is `knn_distance`."""
    found = _by_direction(queries, bank, k, None)
    return Neighbours(found.distances**2 / 2, found.indices)


def cosine_to_class_means(states: NDArray[np.floating], means: NDArray[np.floating]) -> Floats:
    """1 − the largest cosine to a class mean, (n,); from 0 to 2. Higher = more OOD."""
    rows, centres = unit_rows(states), unit_rows(means, "means")
    check_states(centres, "means", rows.shape[1])
    return np.asarray(1.0 - np.clip((rows @ centres.T).max(axis=1), -1.0, 1.0))


def _by_direction(
    queries: NDArray[np.floating], bank: NDArray[np.floating], k: int, exclude: Integers | None
) -> Neighbours:
    return nearest_neighbours(unit_rows(queries, "queries"), unit_rows(bank, "bank"), k, exclude=exclude)


def _with_lengths(bank: Floats, centre: Floats, scale: float) -> NDArray[np.float32]:
    """Rows y around the centre and −‖y‖² / 2 behind them, (d + 1, m): times (x, 1) that is largest for the nearest."""
    reduced = np.empty((bank.shape[1] + 1, len(bank)), np.float32)
    for part in row_blocks(*bank.shape):
        rows = (bank[part] - centre) / scale
        reduced[:-1, part] = rows.T
        reduced[-1, part] = -(rows**2).sum(axis=1) / 2
    return reduced


def _candidates(queries: Floats, reduced: NDArray[np.float32], count: int, own: Integers) -> Integers:
    """The `count` likeliest neighbours of each query, (n, count), in no order."""
    rows = np.column_stack([queries, np.ones(len(queries))]).astype(np.float32)
    nearness = np.full((len(rows), count), -np.inf, np.float32)
    indices = np.zeros((len(rows), count), np.int64)
    for start in range(0, reduced.shape[1], BANK_AT_ONCE):
        tile = rows @ reduced[:, start : start + BANK_AT_ONCE]
        inside = np.flatnonzero((own >= start) & (own < start + tile.shape[1]))
        tile[inside, own[inside] - start] = -np.inf
        # Only what beats the worst kept so far is looked at: soon that is next to nothing.
        row, column = np.nonzero(tile > nearness.min(axis=1, keepdims=True)) if start else _best(tile, count)
        if len(row):
            _keep(nearness, indices, row, tile[row, column], column + start)
    return indices


def _best(tile: NDArray[np.float32], count: int) -> tuple[Integers, Integers]:
    kept = min(count, tile.shape[1])
    columns = np.argpartition(tile, -kept, axis=1)[:, -kept:]
    return np.repeat(np.arange(len(tile)), kept), columns.ravel()


def _keep(
    nearness: NDArray[np.float32],
    indices: Integers,
    row: Integers,
    values: NDArray[np.float32],
    found: Integers,
) -> None:
    """Put the values (of rows, ascending) among the kept ones where they are larger, in place."""
    count = nearness.shape[1]
    rows = np.concatenate([np.repeat(np.arange(len(nearness)), count), row])
    everything = np.concatenate([nearness.ravel(), values])
    order = np.lexsort((-everything, rows))
    starts = np.searchsorted(rows[order], np.arange(len(nearness)))
    chosen = order[starts[:, None] + np.arange(count)]
    nearness[:] = everything[chosen]
    indices[:] = np.concatenate([indices.ravel(), found])[chosen]


def _measured(queries: Floats, bank: Floats, candidates: Integers, k: int) -> tuple[Floats, Integers]:
    distances = np.empty(candidates.shape)
    for part in row_blocks(len(queries), candidates.shape[1] * queries.shape[1]):
        difference = bank[candidates[part]] - queries[part, None]
        distances[part] = np.sqrt((difference**2).sum(axis=2))
    order = np.lexsort((candidates, distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(candidates, order, axis=1)

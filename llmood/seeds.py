"""Randomness is derived from (run seed, what it is for), never from a global generator."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(run_seed: int, *parts: str | int) -> int:
    """A 63-bit seed from the run's seed and what the randomness is for (sample id, draw number, purpose)."""
    # Length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
    text = "".join(f"{len(str(part))}:{part}" for part in (run_seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def derive_generator(run_seed: int, *parts: str | int) -> np.random.Generator:
    """A NumPy generator seeded by `derive_seed`."""
    return np.random.default_rng(derive_seed(run_seed, *parts))


def unit_interval(run_seed: int, *parts: str | int) -> float:
    """One uniform number in [0, 1): an order by hash that no row order, count or sibling can change."""
    return derive_seed(run_seed, *parts) / 2.0**63

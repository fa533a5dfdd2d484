"""How much pictures may ask for; the same for every way in which they come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused, with a reason, before it is decoded.

    Attributes:
        max_bytes: of the file, and of what a data URL holds.
        max_pixels: width × height; 50 million are 150 MB as RGB, and a camera's picture.
        min_side: a picture of one pixel shows nothing, and processors take its height for its channels.
        max_side: JPEG, the corruption, holds no longer side.
        max_together: pixels of all pictures of one sample, which are in memory at once: eight of a telephone's.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000
    min_side: int = 2
    max_side: int = 65_500
    max_together: int = 100_000_000

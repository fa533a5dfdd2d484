"""What every figure is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Display(Protocol):
    """A figure, the data behind it, and what it shows in words."""

    def plot(self) -> Figure:
        """The picture; a new figure a call, outside pyplot's state."""

    def frame(self) -> pd.DataFrame:
        """The data that `plot` draws."""

    def describe(self) -> str:
        """One sentence for who can't see it."""

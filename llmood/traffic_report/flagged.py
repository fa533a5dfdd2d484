"""The texts that were flagged, a fair sample of the different ones, each with how often it came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llmood.identity import digest

MOST_TEXTS = 2000
KEPT_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class FlaggedText:
    """A text, its first characters, and how many flagged decisions were about it."""

    text: str
    decisions: int


class FlaggedTexts:
    """Those with the smallest digests stay: which ones depends on nothing else, and of these every one is counted.

    Attributes:
        decisions: that were flagged.
        untold: of these, those that keep no text.
    """

    def __init__(self, most: int = MOST_TEXTS) -> None:
        self.decisions = self.untold = 0
        self._most = most
        self._bound: str | None = None
        self._texts: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def update(self, texts: Iterable[str | None]) -> None:
        """See the texts of some flagged decisions; None where none is kept."""
        for text in texts:
            self.decisions += 1
            if text is None:
                self.untold += 1
                continue
            key = digest(text)
            if key in self._counts:
                self._counts[key] += 1
            elif self._bound is None or key < self._bound:
                self._counts[key] = 1
                self._texts[key] = text[:KEPT_CHARACTERS]
                if len(self._counts) >= 2 * self._most:
                    self._cut()

    @property
    def all_kept(self) -> bool:
        """Whether `texts` are all different ones that there were."""
        return self._bound is None and len(self._counts) <= self._most

    def texts(self) -> list[FlaggedText]:
        """At most `most` of them, in the order of their digests."""
        return [
            FlaggedText(self._texts[key], self._counts[key]) for key in sorted(self._counts)[: self._most]
        ]

    def _cut(self) -> None:
        kept = sorted(self._counts)[: self._most]
        self._bound = kept[-1]
        self._texts = {key: self._texts[key] for key in kept}
        self._counts = {key: self._counts[key] for key in kept}

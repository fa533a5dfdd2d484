"""What comparing answers took, and what of it could not be read."""

from __future__ import annotations

from collections.abc import Iterator

from llmood.checks.base import CheckInput, checks
from llmood.records import Check


@checks.register("pairs_read")
def pairs_read(given: CheckInput) -> Iterator[Check]:
    """Equal words are compared once, and openers only: how many of all pairs a model had to read."""
    for spec, count in given.compared.items():
        asked, pairs = count.get("asked", 0), count.get("pairs", 0)
        if asked and pairs:
            yield Check(
                "pairs_read",
                "info",
                "Answers compared by a model",
                f"A model read {asked} texts or pairs of texts for {pairs} ordered pairs ({asked / pairs:.1%}) of "
                f"{spec}.",
                values={"asked": asked, "pairs": pairs},
            )


@checks.register("pairs_unread")
def pairs_unread(given: CheckInput) -> Iterator[Check]:
    """A pair that is longer than a judge's context has no verdict, and counts as two answers that differ."""
    for spec, count in given.compared.items():
        if count.get("unread", 0):
            yield Check(
                "pairs_unread",
                "warning",
                "Pairs that a judge could not read",
                f"{count['unread']} pairs of {spec} are longer than the judge's context, and count as different.",
                values={"unread": count["unread"]},
            )


@checks.register("pairs_cut")
def pairs_cut(given: CheckInput) -> Iterator[Check]:
    """An inference model reads so many tokens of a pair; of a longer one the end of the longer text is cut."""
    for spec, count in given.compared.items():
        if count.get("cut", 0):
            yield Check(
                "pairs_cut",
                "warning",
                "Pairs that an inference model read in part",
                f"Of {count['cut']} pairs of {spec} that models.nli was asked, the end was cut off: they are longer "
                "than it reads, and its verdict is of the beginning.",
                values={"cut": count["cut"]},
            )

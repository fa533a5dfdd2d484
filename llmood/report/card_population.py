"""Populations as wholes on a model card: the plain words, and their table."""

from __future__ import annotations

from collections.abc import Iterator

from llmood.markdown import code, table
from llmood.report.card_cells import marked, population_head
from llmood.report.population import population_part
from llmood.report.read import RunFiles


def population_words(run: RunFiles) -> Iterator[str]:
    """Nothing where no population was measured as a whole. Every number is a record of `metrics.json`."""
    part = population_part(run)
    if part is None:
        return
    yield "## Whole populations"
    yield "\n".join(f"- {sentence.markdown}" for sentence in part.summary)
    rows = [[f"{row.name}, {code(row.of)}", *(marked(one) for one in row.cells)] for row in part.rows]
    yield table(["Measure", *(population_head(column) for column in part.columns)], rows, numbers=True)

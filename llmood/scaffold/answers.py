"""By which rule the answers of these rows are best judged, guessed from what their right answers look like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from llmood.judging.multiple_choice import multiple_choice
from llmood.judging.numeric_match import read_number
from llmood.scaffold.columns import MOST, Columns
from llmood.tasks.chat import ChatColumn
from llmood.tasks.fields import Column
from llmood.tasks.prompt import Template
from llmood.tasks.row_errors import RowError

Row = Mapping[str, Any]

SHORT = 5  # words: a longer answer is hardly ever given in the very same ones
FINAL = "####"  # a solution that ends with its number, as gsm8k writes it
_LETTER = re.compile(r"[^\W\d_]")


def rule_for(columns: Columns, rows: Sequence[Row]) -> str | None:
    """The rule's name; None where no row has a right answer, or most have none that a rule could use."""
    answers = [(row, found) for row in rows if (found := right_answers(columns, row))]
    if not answers:
        return None
    if columns.choices is not None:
        return "multiple_choice" if _are_choices(columns.choices, answers) else None
    if all(any(map(_is_number, found)) for _, found in answers):
        return "numeric_match"
    words = median(min(len(answer.split()) for answer in found) for _, found in answers)
    return "exact_match" if words <= SHORT else "f1"


def right_answers(columns: Columns, row: Row) -> list[str]:
    """What the row says is right: its references, else the last turn of its chat."""
    try:
        if columns.references is not None:
            given = _field(columns.references).read(row)
        elif columns.messages_column is not None:
            given = ChatColumn(columns.messages_column).answer(row)
        else:
            return []
    except RowError:
        return []
    items = given if isinstance(given, list | tuple) else [given]
    return [str(item) for item in items if item is not None and str(item).strip()]


def _field(written: str) -> Template | Column:
    is_template = "{{" in written or "{%" in written
    return Template(written, place="references") if is_template else Column(written)


def _are_choices(column: str, answers: Sequence[tuple[Row, list[str]]]) -> bool:
    """Whether most answers are a choice's letter or words: of others the rule can't tell what is right."""
    told = 0
    for row, found in answers:
        choices = row.get(column)
        if isinstance(choices, list | tuple) and choices:
            told += multiple_choice("A", found, [str(choice) for choice in choices]).correct is not None
    return told > MOST * len(answers)


def _is_number(answer: str) -> bool:
    """One number and no words, or a solution that ends with one."""
    last = answer.rpartition(FINAL)[2].strip()
    reading = read_number(last)
    return reading is not None and reading.count == 1 and _LETTER.search(last) is None

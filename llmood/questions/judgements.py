"""Which answers are right, as arrays beside the scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from llmood.judging.yes_no import SAYS_BOTH, SAYS_NEITHER, read_yes_no
from llmood.questions.populations import Floats, Population
from llmood.records import EMPTY_ANSWER, OK

YES_NO = "yes_no"  # the rule
TRUNCATED = "length"  # how an answer ended that had no more room


@dataclass(frozen=True, slots=True)
class Judgements:
    """What `correctness.parquet` says of a run's measured samples, in their order.

    Attributes:
        judged: bool (n,), whether the answer could be judged.
        wrong: bool (n,), meaningful where `judged`.
        quality: float64 (n,) in [0, 1], NaN where not judged.
        rules: object (n,), the rule; None where the sample has no row.
        reasons: object (n,), why an answer is not judged.
        truncated: bool (n,), whether the answer was cut off; it is judged as it stands.
        wants_yes: float64 (n,), of answers judged by `yes_no`, whether the reference says yes: 1 or 0, else NaN.
        unclear: bool (n,), whether such an answer says neither yes nor no, or both.
    """

    judged: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    quality: Floats
    rules: NDArray[np.object_]
    reasons: NDArray[np.object_]
    truncated: NDArray[np.bool_]
    wants_yes: Floats
    unclear: NDArray[np.bool_]

    def rule(self, population: Population) -> str | None:
        """The rule of a population's answers."""
        found = [rule for rule in self.rules[population.rows] if rule is not None]
        return str(found[0]) if found else None

    def rows(self, population: Population) -> NDArray[np.int64]:
        """Where the judged samples of a population stand."""
        return population.rows[self.judged[population.rows]]

    def unjudged(self, population: Population) -> Mapping[str, int]:
        """Why answers are not judged, and how many, the commonest first."""
        lacking = population.rows[~self.judged[population.rows]]
        return dict(Counter(str(reason) for reason in self.reasons[lacking]).most_common())

    def is_graded(self, population: Population) -> bool:
        """Whether some answer is neither all right nor all wrong."""
        quality = self.quality[self.rows(population)]
        return bool(((quality > 0.0) & (quality < 1.0)).any())


def read_judgements(table: pa.Table, samples: pa.Table) -> Judgements:
    """The rows of these samples; a sample without one was not answered."""
    ids = samples["sample_id"].to_pylist()
    rows = {row["sample_id"]: row for row in table.to_pylist()}
    found = [rows.get(sample_id) or {} for sample_id in ids]
    judged = np.array([row.get("status") == OK for row in found], dtype=np.bool_)
    return Judgements(
        judged,
        np.array([row.get("correct") is False for row in found], dtype=np.bool_),
        np.array(
            [np.nan if row.get("quality") is None else row["quality"] for row in found], dtype=np.float64
        ),
        np.array([row.get("rule") for row in found], dtype=np.object_),
        np.array([row.get("reason") or "not answered" for row in found], dtype=np.object_),
        np.array([row.get("finish") == TRUNCATED for row in found], dtype=np.bool_),
        _wants_yes(found, samples),
        np.array(
            [row.get("reason") in (SAYS_NEITHER, SAYS_BOTH, EMPTY_ANSWER) for row in found], dtype=np.bool_
        ),
    )


def _wants_yes(found: Sequence[Mapping[str, Any]], samples: pa.Table) -> Floats:
    wanted = np.full(len(found), np.nan)
    for place, references in enumerate(samples["references"].to_pylist()):
        if found[place].get("rule") == YES_NO and references:
            says = read_yes_no(references[0])
            wanted[place] = np.nan if says is None else float(says)
    return wanted


def verdicts(table: pa.Table) -> dict[str, bool]:
    """Sample id → whether its answer is right, of all splits, without those that could not be judged."""
    columns = (table[name].to_pylist() for name in ("sample_id", "status", "correct"))
    return {name: correct for name, status, correct in zip(*columns, strict=True) if status == OK}

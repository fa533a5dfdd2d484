"""The records of confidences and promises, found by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmood.questions.calibration import QUESTION as CALIBRATION
from llmood.questions.promise import QUESTION as PROMISE
from llmood.report.read import Record, RunFiles

QUESTIONS = (CALIBRATION, PROMISE)


@dataclass(frozen=True)
class CalibrationRecords:
    """Unsliced records, by (metric, scorer, calibrator, OOD task); the ID population where no OOD task is named."""

    run: RunFiles
    confidence: Mapping[tuple[str, str, str | None, str | None], Record]
    promise: Mapping[tuple[str, str, str | None], Record]

    @classmethod
    def of(cls, run: RunFiles) -> CalibrationRecords:
        own = [r for r in run.records if r["slice"] is None and r["question"] in QUESTIONS]
        return cls(
            run,
            {
                (r["metric"], r["scorer"], r["calibrator"], r["ood_task"]): r
                for r in own
                if r["question"] == CALIBRATION
            },
            {(r["metric"], r["scorer"], r["ood_task"]): r for r in own if r["question"] == PROMISE},
        )

    @property
    def scorers(self) -> list[str]:
        """Those with confidences, as they were asked for; first those whose score is a probability by itself.

        Of these alone can be said what calibrating buys.
        """
        known = {scorer for _, scorer, _, _ in self.confidence}
        asked = [name for name in self.run.scorers if name in known]
        return sorted(asked, key=lambda name: None not in self.calibrators(name))

    @property
    def learned(self) -> list[str]:
        """The calibrators."""
        return list(dict.fromkeys(made for _, _, made, _ in self.confidence if made is not None))

    @property
    def guards(self) -> list[str]:
        """Those with thresholds, as they were asked for."""
        known = {scorer for _, scorer, _ in self.promise}
        return [name for name in self.run.scores if name in known]

    @property
    def tasks(self) -> list[Record]:
        """ID, then the OOD sets that are no grades."""
        return [task for task in (self.run.id_task, *self.run.single_ood_tasks) if task is not None]

    def calibrators(self, scorer: str) -> list[str | None]:
        """A scorer's confidences, its own word (None) first."""
        return list(dict.fromkeys(made for _, name, made, _ in self.confidence if name == scorer))

    def chosen(self, scorer: str) -> str | None:
        """The first calibrator that could be fitted; None where there is none."""
        for made in self.calibrators(scorer):
            record = self.confidence.get(("brier", scorer, made, None))
            if made is not None and record is not None and record["value"] is not None:
                return made
        return None


def ood_name(task: Record) -> str | None:
    """What records of this population name as their OOD task."""
    return None if task["population"] == "id" else str(task["name"])


def kind_of(task: Record) -> str:
    """ID, near, far or covariate."""
    return "ID" if task["population"] == "id" else str(task["shift"])

"""The part of the report about effective mutual information: what each shift takes of it, beside the bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llmood.displays import EmidAgainstBound
from llmood.questions.effective_information import BOUND, EMI, EMID, QUESTION, WITH_BOUND
from llmood.report.cells import Cell, loss_mark, record_cell
from llmood.report.figures import Picture
from llmood.report.read import Record, RunFiles
from llmood.report.sentences import Name, Sentence
from llmood.report.svg import inline_svg
from llmood.report.tables import checks_about
from llmood.report.text import interval, number

CORRELATION = {"pearson": "Pearson’s correlation", "spearman": "Spearman’s rank correlation"}
PARTS = {"image": "pictures", "text": "words"}


@dataclass(frozen=True)
class EmiRow:
    """One population."""

    task: str
    shift: str
    severity: int | None
    checks: tuple[int, ...]
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class EmiPart:
    """All of it.

    Attributes:
        heads: of the columns behind EMI, EMID and the bound: what moved, in divergences.
        states: whose vectors they are.
    """

    summary: list[Sentence]
    heads: tuple[str, ...]
    rows: tuple[EmiRow, ...]
    pictures: tuple[Picture, ...]
    states: str


def effective_part(run: RunFiles, prefix: str) -> EmiPart | None:
    """None where it wasn't asked for. Grades of a shift are rows, too: the bound is about all of them together."""
    own = [record for record in run.records if record["question"] == QUESTION]
    if not own or run.id_task is None:
        return None
    whole = [record for record in own if record["slice"] is None]
    index = {(record["metric"], record["ood_task"]): record for record in whole}
    parts = own[0]["params"]["parts"]
    tasks = [run.id_task, *run.ood_tasks]
    rows = tuple(_row(run, task, index, parts) for task in tasks)
    pictures = (Picture(inline_svg(EmidAgainstBound(own), f"{prefix}-emi"), "Lines are intervals of EMID."),)
    heads = (*(f"{PARTS[name]} moved" for name in parts), "answers from references")
    return EmiPart(
        [*_summary(run, index), *_sliced(own)],
        heads,
        rows,
        pictures if run.ood_tasks else (),
        own[0]["params"]["states"],
    )


def _row(
    run: RunFiles, task: Record, index: Mapping[tuple[str, str | None], Record], parts: list[str]
) -> EmiRow:
    name = None if task["population"] == "id" else task["name"]
    emi, lost, bound = (index.get((metric, name)) for metric in (EMI, EMID, BOUND))
    apart = {} if bound is None else bound["params"].get("divergences", {})
    if name is None:
        known = (
            record["params"].get("divergences") for (metric, _), record in index.items() if metric == BOUND
        )
        apart = {"answers_ood": next((each["answers_id"] for each in known if each), None)}
    shown = [apart.get(key) for key in (*parts, "answers_ood")]
    cells = (
        record_cell(emi),
        record_cell(lost, mark=loss_mark, unscored=0),
        None
        if bound is None
        else Cell(_value(bound), reason=None if bound["value"] is not None else bound["reason"]),
        *(None if value is None else Cell(number(value)) for value in shown),
    )
    return EmiRow(task["name"], task["shift"], task["severity"], checks_about(run, task["name"]), cells)


def _value(record: Record) -> str | None:
    return None if record["value"] is None else number(record["value"])


def _summary(run: RunFiles, index: Mapping[tuple[str, str | None], Record]) -> Iterator[Sentence]:
    measured = [task for task in run.ood_tasks if _known(index, EMID, task["name"]) is not None]
    losing = [task for task in measured if loss_mark(index[EMID, task["name"]]) == "loses"]
    if not measured:
        reason = next((record["reason"] for record in index.values() if record["value"] is None), None)
        yield Sentence.of(f"No set has an EMID{'' if reason is None else f': {reason}'}.")
    elif losing:
        most = max(losing, key=lambda task: index[EMID, task["name"]]["value"])
        record = index[EMID, most["name"]]
        yield Sentence.of(
            f"Answers go with their prompts less well than on ID on {len(losing)} of {len(measured)} sets, measured "
            "against the references; least on ",
            Name(most["name"]),
            f": EMID {number(record['value'])} ({interval(record)}).",
        )
    else:
        yield Sentence.of(
            f"On none of {len(measured)} sets do answers go with their prompts measurably less well than on ID."
        )
    for name, metric in WITH_BOUND.items():
        correlation = index.get((metric, None))
        if correlation is not None:
            yield _correlation(CORRELATION[name], correlation)


def _sliced(own: list[Record]) -> Iterator[Sentence]:
    """The correlations over sets of one kind of shift, the same for all kinds alike."""
    names = {metric: CORRELATION[name] for name, metric in WITH_BOUND.items()}
    for record in own:
        if record["slice"] is not None and record["metric"] in names:
            yield _correlation(names[record["metric"]], record)


def _correlation(name: str, record: Record) -> Sentence:
    kind = "" if record["slice"] is None else f"{record['shift']} "
    sets = f"{len(record['params']['populations'])} {kind}sets"
    if record["value"] is None:
        return Sentence.of(f"{name} of EMID and bound over {sets} can't be told: {record['reason']}.")
    shown = interval(record)
    beside = f" ({shown})" if shown else ""
    return Sentence.of(f"{name} of EMID and bound over {sets}: {number(record['value'])}{beside}.")


def _known(index: Mapping[tuple[str, str | None], Record], metric: str, task: str) -> float | None:
    record = index.get((metric, task))
    return None if record is None else record["value"]

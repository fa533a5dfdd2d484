"""What calibration and promises come to, in plain language: every number is a record's of `metrics.json`."""

from __future__ import annotations

from collections.abc import Iterator

from llmood.questions.calibration_change import CHANGE
from llmood.questions.promise import FALSE_ALARMS, FLAGGED
from llmood.report.calibration_records import CalibrationRecords, kind_of, ood_name
from llmood.report.read import Record
from llmood.report.sentences import Name, Sentence
from llmood.report.text import number, percent

UNIT = "\u00a0%"
COMPARED = {"log_loss": "log loss", "brier": "Brier score"}
NOT_PROMISED = Sentence.of(
    "On shifted data the promise does not hold: it is for questions that are drawn like the calibration rows. What is "
    "flagged there is only what happened."
)


def summary(found: CalibrationRecords) -> list[Sentence]:
    """How far the first scorer's confidence is off, what calibrating buys, and what the first threshold keeps."""
    told: list[Sentence] = []
    if found.scorers:
        scorer = found.scorers[0]
        told += [*_off(found, scorer), *_bought(found, scorer)]
    if found.guards:
        told += _kept(found, found.guards[0])
    return told


def _off(found: CalibrationRecords, scorer: str) -> Iterator[Sentence]:
    """Mean confidence beside the share of right answers, on each population."""
    chosen = found.chosen(scorer)
    if chosen is None and None not in found.calibrators(scorer):
        yield Sentence.of("No calibrator could be fitted to ", Name(scorer), ".")
        return
    by: tuple[str | Name, ...] = (" by ", Name(chosen)) if chosen else ()
    for task in found.tasks:
        record = found.confidence.get(("mean_confidence_gap", scorer, chosen, ood_name(task)))
        if record is None or record["value"] is None:
            continue
        yield Sentence.of(
            "On ",
            Name(task["name"]),
            f" ({kind_of(task)}) the confidence of ",
            Name(scorer),
            *by,
            f" is on average {_far(record)}.",
        )


def _far(record: Record) -> str:
    value, low, high = (record[name] for name in ("value", "ci_low", "ci_high"))
    side = "above" if value > 0 else "below"
    said = f"{percent(abs(value))} percentage points {side} the share of right answers"
    if low is None:
        return said
    if low <= 0 <= high:
        return f"{said}, which these answers can't tell from none (interval {_range(low, high)})"
    tone = "too sure" if value > 0 else "not sure enough"
    return f"{said}: {tone} (interval {_range(low, high)})"


def _bought(found: CalibrationRecords, scorer: str) -> Iterator[Sentence]:
    """Log loss before and after calibration on ID; the Brier score where a log loss is infinite, say."""
    chosen = found.chosen(scorer)
    if chosen is None or None not in found.calibrators(scorer):
        return
    compared = {metric: _before_and_after(found, metric, scorer, chosen) for metric in COMPARED}
    metric = max(
        COMPARED, key=lambda name: len(compared[name])
    )  # the first of those with the most populations
    pieces: list[str | Name] = []
    for task, before, after in compared[metric]:
        change = found.confidence.get((f"{metric}{CHANGE}", scorer, chosen, ood_name(task)))
        word = _word(change, before, after)
        between = f" ({kind_of(task)}) from {number(before)} to {number(after)}, {word}"
        pieces += ["; " if pieces else "", Name(task["name"]), between]
    if pieces:
        yield Sentence.of(
            "Calibrating ",
            Name(scorer),
            " on ID rows by ",
            Name(chosen),
            f" takes the {COMPARED[metric]}, lower being better, on ",
            *pieces,
            ".",
        )


def _word(change: Record | None, before: float, after: float) -> str:
    """By the paired interval of the difference, where a record has one."""
    word = "better" if after < before else "worse" if after > before else "the same"
    if change is None or change["ci_low"] is None:
        return word
    low, high = change["ci_low"], change["ci_high"]
    between = f"interval of the change {number(low)} to {number(high)}"
    if low <= 0 <= high:
        return f"which these answers can't tell from no change ({between})"
    return f"{word} ({between})"


def _before_and_after(
    found: CalibrationRecords, metric: str, scorer: str, chosen: str
) -> list[tuple[Record, float, float]]:
    """Where both are known."""
    pairs = []
    for task in found.tasks:
        before, after = (
            found.confidence.get((metric, scorer, made, ood_name(task))) for made in (None, chosen)
        )
        if before and after and before["value"] is not None and after["value"] is not None:
            pairs.append((task, before["value"], after["value"]))
    return pairs


def _kept(found: CalibrationRecords, scorer: str) -> Iterator[Sentence]:
    record = found.promise.get((FALSE_ALARMS, scorer, None))
    if record is None:
        return
    if record["value"] is None:
        yield Sentence.of("Nothing is promised of ", Name(scorer), f": {record['reason']}.")
        return
    params = record["params"]
    yield Sentence.of(
        "The threshold of ",
        Name(scorer),
        f" was promised to flag at most {percent(params['alpha'])}{UNIT} of ID questions, on average over calibration "
        f"sets. On ID test it flags {percent(record['value'])}{UNIT}{_verdict(record)}.",
    )
    flagged: list[str | Name] = []
    for task in found.tasks:
        shifted = found.promise.get((FLAGGED, scorer, ood_name(task)))
        if shifted is not None and shifted["value"] is not None:
            rate = f" ({kind_of(task)}) {percent(shifted['value'])}{UNIT}"
            flagged += [", " if flagged else "", Name(task["name"]), rate]
    if flagged:
        yield Sentence.of("It flags, of ", *flagged, ".")
        yield NOT_PROMISED


def _verdict(record: Record) -> str:
    """Whether what was measured is what a kept promise gives."""
    params = record["params"]
    if params.get("expected_low") is None:
        return ""
    low, high, value = params["expected_low"], params["expected_high"], record["value"]
    span = f"{_range(low, high)}{UNIT} in {percent(params['expected_level'])}{UNIT} of cases"
    if low <= value <= high:
        return f"; a promise that is kept gives {span}, and so it is here"
    side = "above" if value > high else "below"
    return (
        f", {side} what a promise that is kept gives: {span}. ID test isn't drawn like the calibration rows"
    )


def _range(low: float, high: float) -> str:
    return f"{percent(low)} to {percent(high)}"

"""A detector's card: what it is, on what it was fitted, what it promises and what not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmood.detector.content import Content
from llmood.detector.targets import range_of
from llmood.halves import CALIBRATORS, THRESHOLDS
from llmood.markdown import code, plain, table

STAGES = {
    "pre": "It reads the prompt alone: it can tell before the model answers.",
    "post": "It reads the model's answer too: it can tell only after. A record may bring the answer as `response`; "
    "else the model answers.",
}
NOT_PROMISED = """\
- **Other traffic.** The promise is for questions drawn like the calibration rows. Where traffic is of another kind
  (other users, other wording, another language), the share that is flagged may be anything; that it moves is what a
  detector is for. Watch the share, and fit anew on rows of the traffic that you want.
- **What is caught.** How many of the questions outside the domain are flagged is not promised: `llmood run` measures
  that on sets that you name.
- **Right answers.** What isn't flagged may still be answered wrongly.
- **One row.** A rate is of many rows; nothing is said of a single one."""


def card_of(content: Content) -> str:
    """The card, as Markdown."""
    return "\n\n".join(_parts(content)) + "\n"


def _parts(content: Content) -> Iterator[str]:
    data = content.data
    yield f"# {plain(content.name)}"
    yield (
        f"A detector: it tells which questions are unlike those of the task {code(data['task'])}, by "
        f"{_scorers(content)}. A higher score means farther outside.\n{STAGES[content.stage]}"
    )
    yield "## What it promises"
    for threshold in content.thresholds:
        yield f"**{plain(threshold.guarantee)}**\n{plain(range_of(threshold))}"
    yield f"Confidence that the answer is right: {plain(confidence_of(data['confidence']))}."
    yield "## What it doesn't promise"
    yield NOT_PROMISED
    yield "## What it was fitted on"
    yield table(["", ""], [[plain(name), cell] for name, cell in _data(content)])
    yield "## Models"
    yield "Scoring refuses models of other weights than these. Their folders may be elsewhere."
    yield table(
        ["role", "model", "identity"],
        [[code(role), code(_name(content, role)), _identity(each)] for role, each in content.models.items()],
    )
    yield "## Records"
    yield _records(content)


def confidence_of(said: Mapping[str, Any]) -> str:
    """What is to be said of a detector's confidences, without a full stop."""
    if said["calibrator"] is None:
        return f"none: {said['reason']}"
    return f"by {said['calibrator']}, from {said['rows']} judged answers, {said['right']} of them right"


def _scorers(content: Content) -> str:
    names = ", ".join(code(name) for name in content.scorers)
    if len(content.scorers) == 1:
        return f"the scorer {names}"
    return f"the scorers {names} together (the mean of −log p over their p-values, ranked anew)"


def _data(content: Content) -> Iterator[tuple[str, str]]:
    data = content.data
    carved = f", carved from {code(data['carved'])}" if data["carved"] else ""
    yield "rows", f"{data['rows']} of the split {code(data['split'])}{carved}"
    if data["groups"] < data["rows"]:
        yield (
            "groups",
            (
                f"{data['groups']}: rows of one group are alike, and the promise is less sure than so many rows "
                "would make it"
            ),
        )
    yield "for thresholds", str(data["halves"][THRESHOLDS])
    yield "for confidences and p-values of each scorer", str(data["halves"][CALIBRATORS])
    for reason, rows in data["unscored"].items():
        yield "without a score", f"{rows}: {plain(reason)}"
    if data["rejects"]:
        yield "rows that couldn't be read", str(data["rejects"])
    if content.questions:
        kept = f"{len(content.questions)}, in `questions.json`: whoever has this folder can read them"
        yield "questions kept", kept
    yield "digest of the rows", code(data["digest"])
    yield "seed", str(content.config.seed)
    yield "captures", ", ".join(code(name) for name in content.captures) or "none: no model is asked"


def _name(content: Content, role: str) -> str:
    models = content.config.models
    model = models.by_role.get(role) or getattr(models, role, None)
    return str(getattr(model, "adapter", None) or getattr(model, "model", ""))


def _identity(model: Mapping[str, Any]) -> str:
    known = {**model["identity"], "tokenizer": model.get("tokenizer")}
    wanted = ("weights", "adapter", "model", "tokenizer", "engine", "dtype", "device")
    return ", ".join(f"{key} {code(str(known[key]))}" for key in wanted if known.get(key))


def _records(content: Content) -> str:
    columns = ", ".join(code(name) for name in sorted(content.form.columns))
    chat = ", under the model's chat template" if content.form.chat else ""
    return (
        f"A record is, whichever it has first: the task's own columns ({columns}); `messages`, turns up to the user's "
        f"last{chat}; `prompt`, the prompt to the letter; or `text`, which is put where the task's one column is{chat}."
    )

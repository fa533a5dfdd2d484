"""What a reader has to know of two runs before their difference means anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmood.comparison.pairing import Joined, Pairing
from llmood.comparison.sides import ComparedRun, Side
from llmood.identity import canonical_json
from llmood.records import CaptureSpec, Check
from llmood.report.text import percent
from llmood.scorers.base import scorers as registry

FEW_COMMON = 0.9  # of the larger side
SETTINGS = ("engine", "dtype")


def comparison_checks(sides: Sequence[tuple[Side, Side]], pairings: Sequence[Pairing]) -> list[Check]:
    """Everything to be said of some contests, each once."""
    found: dict[str, Check] = {}
    for side in dict.fromkeys(side for both in sides for side in both):
        for check in _unfinished(side):
            found.setdefault(canonical_json([check.code, side.letter]), check)
    for (a, b), pairing in zip(sides, pairings, strict=True):
        if a.run is b.run:
            continue
        letters = f"{a.letter} and {b.letter}"
        for check in (*_samples(letters, a, b, pairing), *_measured(letters, a, b, pairing)):
            found.setdefault(canonical_json([check.code, check.task, check.detail]), check)
    return list(found.values())


def _unfinished(side: Side) -> Iterator[Check]:
    status = side.run.files.manifest["status"]
    if status != "complete":
        detail = f"{side.letter} ({side.run.folder}) ended as '{status}': its scores may lack samples."
        yield Check(
            "unfinished_run", "warning", "A run that isn't complete", detail, values={"status": status}
        )


def _samples(letters: str, a: Side, b: Side, pairing: Pairing) -> Iterator[Check]:
    for joined in (pairing.id, *pairing.ood):
        if joined.share < FEW_COMMON:
            yield _few_common(letters, joined)
    for task in pairing.without_common:
        detail = f"{letters} both have {task}, but no sample of it in common: it is not compared."
        yield Check("nothing_in_common", "warning", "A set without common samples", detail, task)
    for side, other in ((a, b), (b, a)):
        lone = [name for name in side.run.ood_tasks if name not in other.run.ood_tasks]
        if lone:
            detail = f"Only {side.letter} has {', '.join(lone)}: not compared with {other.letter}."
            yield Check("only_one_side", "info", "Sets that one run lacks", detail)
    for joined in pairing.ood:
        shifts = [run.ood_tasks[joined.task]["shift"] for run in (pairing.a, pairing.b)]
        if shifts[0] != shifts[1]:
            detail = f"{joined.task} is {shifts[0]} in {a.letter} and {shifts[1]} in {b.letter}; shown as {shifts[0]}."
            yield Check("other_shift", "warning", "One set, two shifts", detail, joined.task)


def _few_common(letters: str, joined: Joined) -> Check:
    common = len(joined.a)
    detail = (
        f"{letters} have {common} samples of {joined.task} in common, {percent(joined.share)} % of the larger side; "
        f"{joined.only_a} are only in the first and {joined.only_b} only in the second. The difference speaks of "
        "the common ones."
    )
    values = {"common": common, "only_a": joined.only_a, "only_b": joined.only_b}
    return Check("few_common_samples", "warning", "Few samples in common", detail, joined.task, values)


def _measured(letters: str, a: Side, b: Side, pairing: Pairing) -> Iterator[Check]:
    """Where the two runs did not measure the same thing in the same way."""
    yield from _prompts(letters, pairing)
    models_a, models_b = (side.run.files.manifest["models"] for side in (a, b))
    for role in (role for role in models_a if role in models_b):
        first, second = (models[role].get("identity") or {} for models in (models_a, models_b))
        for key in SETTINGS:
            if first.get(key) != second.get(key):
                ran = f"{first.get(key)} in {a.letter} and {second.get(key)} in {b.letter}"
                detail = f"The {role} model ran with the {key} {ran}."
                yield Check(f"other_{key}", "warning", f"Another {key}", detail)
        if first.get("version") != second.get("version"):
            detail = f"The {role} model's engine has other versions in {a.letter} and {b.letter}; run.json has them."
            yield Check("other_versions", "info", "Other versions", detail)
    yield from _captures(a, b)
    yield from _arguments(a, b)


def _prompts(letters: str, pairing: Pairing) -> Iterator[Check]:
    hashes = [run.column("prompt_hash") for run in (pairing.a, pairing.b)]
    for joined in (pairing.id, *pairing.ood):
        other = sum(hashes[0][i] != hashes[1][j] for i, j in zip(joined.a, joined.b, strict=True))
        if other:
            detail = (
                f"{other} of {len(joined.a)} common samples of {joined.task} were given to the models of {letters} "
                "with another prompt (another template, or chat in one of them)."
            )
            yield Check("other_prompts", "warning", "Other prompts", detail, joined.task, {"samples": other})


def _captures(a: Side, b: Side) -> Iterator[Check]:
    """A capture of the compared scorers that both runs made, with other parameters."""
    wanted = _needed(a.scorer) | _needed(b.scorer)
    first, second = _parameters(a.run), _parameters(b.run)
    for capture in sorted(wanted & first.keys() & second.keys()):
        if first[capture] != second[capture]:
            name = "/".join(capture)
            detail = f"{name} has {first[capture]} in {a.letter} and {second[capture]} in {b.letter}."
            yield Check("other_captures", "warning", "Captured otherwise", detail)


def _needed(scorer: str | None) -> set[tuple[str, str, str]]:
    if scorer is None or scorer not in registry:
        return set()
    needs = registry.get(scorer).make().needs
    found = {(spec.kind, spec.model, spec.target) for spec in needs}
    return found | {("response", spec.responder, "prompt") for spec in needs if spec.needs_response}


def _parameters(run: ComparedRun) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], set[str]] = {}
    for spec in map(CaptureSpec.from_id, run.files.manifest["captures"]):
        if spec.control is not None:  # of the modality profile alone
            continue
        # Who responded is another model, not another way to measure.
        params = [f"{key}={value}" for key, value in spec.params if key != "responder"]
        found.setdefault((spec.kind, spec.model, spec.target), set()).add(
            ", ".join(params) or "no parameters"
        )
    return {capture: "; ".join(sorted(params)) for capture, params in found.items()}


def _arguments(a: Side, b: Side) -> Iterator[Check]:
    """One scorer that the two runs' configurations gave other arguments."""
    if a.scorer is None or a.scorer != b.scorer:
        return
    first, second = (_given(side.run, a.scorer) for side in (a, b))
    if first != second:
        given = f"{canonical_json(first)} in {a.letter} and {canonical_json(second)} in {b.letter}"
        detail = f"{a.scorer} has the arguments {given}."
        yield Check("other_arguments", "warning", "Other arguments of a scorer", detail)


def _given(run: ComparedRun, scorer: str) -> Mapping[str, Any]:
    for entry in run.files.config.get("scorers") or []:
        if isinstance(entry, Mapping) and scorer in entry:
            return dict(entry[scorer] or {})
    return {}

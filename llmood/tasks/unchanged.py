"""Checks of what corruptions left as it was: questions that no shift reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmood.picture_records import Corruptions
from llmood.records import Check, Sample


def unchanged(
    originals: Sequence[Sample], made: Mapping[Corruptions, Sequence[Sample]]
) -> dict[Corruptions, Check]:
    """One check a family that left something alone, beside the grade that left most.

    Where both sides are corrupted nothing is said again: the grades of each alone tell it.

    Args:
        made: what became of each original, in their order.
    """
    families: dict[str, list[Corruptions]] = {}
    for each in made:
        if not each.is_joint:
            families.setdefault(each.family, []).append(each)
    found = {}
    for grades in families.values():
        left = {each: _left(originals, made[each], pictures=each.image is not None) for each in grades}
        most = max(left, key=lambda each: left[each])
        if left[most]:
            found[most] = _check(most, left, originals)
    return found


def _left(originals: Sequence[Sample], samples: Sequence[Sample], *, pictures: bool) -> int:
    pairs = zip(originals, samples, strict=True)
    if pictures:
        return sum(made.images == original.images for original, made in pairs)
    return sum(made.messages == original.messages for original, made in pairs)


def _check(most: Corruptions, counts: Mapping[Corruptions, int], originals: Sequence[Sample]) -> Check:
    left = {each.severity: count for each, count in counts.items() if count}
    total = len(originals)
    listed = ", ".join(f"{count} of {total} at grade {grade}" for grade, count in left.items())
    kind = "Texts" if most.image is None else "Pictures"
    without = 0 if most.image is None else sum(not sample.pictures for sample in originals)
    none = f" ({without} have no picture)" if without else ""
    return Check(
        code="unchanged_by_corruption",
        severity="info",
        title=f"{kind} that a corruption left alone",
        detail=f"{kind} of {most.family} that are left as they were: {listed}{none}.",
        task=most.name,
        values={
            "samples": total,
            **{f"unchanged_at_grade_{grade}": count for grade, count in left.items()},
            **({"without_picture": without} if without else {}),
        },
    )

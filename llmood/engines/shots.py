"""Which judged answers a prompt shows as examples: half of them right, drawn by hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmood.engines.captures import SHOWN
from llmood.engines.prompts import Prompt, Unmade
from llmood.prompting.base import Material, Shot
from llmood.records import UNSCORED
from llmood.seeds import derive_seed

Judge = Callable[[str, str], bool | None]
"""(sample id, answer) to whether it is right; None where nobody knows."""


def nobody(_sample_id: str, _answer: str) -> None:
    """The judge of a run that judges nothing."""


@dataclass(frozen=True, slots=True)
class Shots:
    """What a prompt shows, in its order.

    Attributes:
        sample_ids: whose answers they are.
    """

    sample_ids: tuple[str, ...]
    shots: tuple[Shot, ...]


NO_SHOTS = Shots((), ())


def judged_answers(
    prompts: Sequence[Prompt], responses: Mapping[str, Mapping[str, Any] | Unmade], judge: Judge
) -> dict[str, Shot]:
    """Of each prompt of the split that is shown, its question, its answer and whether that is right, where known.

    Args:
        responses: by sample id.
    """
    found: dict[str, Shot] = {}
    for prompt in prompts:
        response = responses.get(prompt.sample_id)
        if prompt.split != SHOWN or response is None or isinstance(response, Unmade):
            continue
        material = Material(prompt.messages, response["text"])
        # An empty answer is wrong without a look at the question: it teaches nothing.
        right = judge(prompt.sample_id, response["text"]) if material.answer else None
        if right is not None:
            found[prompt.sample_id] = Shot(material.question, material.answer, right)
    return found


def choose_shots(judged: Mapping[str, Shot], count: int, seed: int) -> Shots | Unmade:
    """Half right and half wrong answers, of each the smallest hashes, right and wrong in turn.

    Which kind comes first is drawn, so that any even number of them from the front is balanced and no letter stands
    last in every run. What else there is to choose from decides nothing about those that are chosen.

    Args:
        judged: of each sample that may be shown, its question, answer and verdict.
        count: how many, an even number.
    """
    half = count // 2
    order = sorted(judged, key=lambda name: (derive_seed(seed, name, "shot"), name))
    right = [name for name in order if judged[name].right]
    wrong = [name for name in order if not judged[name].right]
    if min(len(right), len(wrong)) < half:
        return Unmade(
            UNSCORED,
            f"too few judged answers of {SHOWN} to show: {half} right and {half} wrong ones are needed, there are "
            f"{len(right)} and {len(wrong)} (fewer 'shots' need fewer)",
        )
    first, second = (right, wrong) if derive_seed(seed, "first shot") % 2 else (wrong, right)
    names = [name for pair in zip(first[:half], second[:half], strict=True) for name in pair]
    return Shots(tuple(names), tuple(judged[name] for name in names))

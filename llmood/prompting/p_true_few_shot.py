"""Is this answer true? Asked behind answers to other questions, of which the model is told."""

from __future__ import annotations

from llmood.prompting.base import FALSE, TRUE, Material, Turns, register, user
from llmood.prompting.p_true import LEAD, asked


@register("p_true_few_shot", version=1, reads=("response", "shots"))
def P_TRUE_FEW_SHOT(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """The shots as `p_true` would ask of them, each with its letter, then the question itself; all in one turn."""
    shown = "".join(
        f"{asked(shot.question, shot.answer)}\n{LEAD}{TRUE if shot.right else FALSE}\n\n"
        for shot in material.shots
    )
    return Turns(user(shown + asked(material.question, material.answer)), LEAD)

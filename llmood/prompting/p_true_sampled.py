"""Is this answer true, among others that came to mind?"""

from __future__ import annotations

from llmood.prompting.base import Material, Turns, register, user
from llmood.prompting.p_true import LEAD, choice


@register("p_true_sampled", version=1, reads=("response", "draws"))
def P_TRUE_SAMPLED(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """As `p_true`, with the draws as brainstormed answers between question and answer; the answer is one of them."""
    ideas = dict.fromkeys([*material.draws, material.answer])
    listed = "\n".join(ideas)
    return Turns(
        user(
            f"Question: {material.question}\nBrainstormed answers:\n{listed}\n"
            f"Possible answer: {material.answer}\n{choice()}"
        ),
        LEAD,
    )

"""Does an answer say what a right answer says?"""

from __future__ import annotations

from llmood.prompting.base import Material, Turns, register, user


@register("judge", version=1, reads=("response", "references"))
def JUDGE(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """Question, right answers, the answer to judge, and the two words to choose from."""
    right = "\n".join(f"- {reference.strip()}" for reference in material.references)
    return Turns(
        user(
            f"Question: {material.question}\n"
            f"Correct answers, any one of which is enough:\n{right}\n"
            f"Proposed answer: {material.answer}\n"
            "Does the proposed answer mean the same as one of the correct answers? "
            "Reply with yes or no and nothing else."
        ),
        "Yes or no:",
    )

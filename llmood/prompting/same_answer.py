"""Do answers to one question say the same?"""

from __future__ import annotations

from llmood.prompting.base import FALSE, TRUE, Material, Turns, register, user


@register("same_answer", version=1, reads=("draws",))
def SAME_ANSWER(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """The question, if there is one, the answers in their order, and the two letters to choose from."""
    asked = f"Question: {material.question}\n" if material.question else ""
    answers = "\n".join(f"Answer {number}: {text}" for number, text in enumerate(material.draws, 1))
    return Turns(
        user(
            f"{asked}{answers}\n"
            "Do these answers mean the same?\n"
            f"{TRUE}) Yes\n{FALSE}) No\n"
            f"Reply with the letter {TRUE} or {FALSE} alone."
        ),
        "Reply:\n",
    )

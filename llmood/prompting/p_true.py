"""Is this answer true? The model is asked about its own, with nothing else in view."""

from __future__ import annotations

from llmood.prompting.base import FALSE, TRUE, Material, Turns, register, user


@register("p_true", version=1, reads=("response",))
def P_TRUE(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """Question, answer, and the two letters to choose from."""
    return Turns(user(asked(material.question, material.answer)), LEAD)


LEAD = "The possible answer is:\n"


def asked(question: str, answer: str) -> str:
    """What is to be told true or false."""
    return f"Question: {question}\nPossible answer: {answer}\n{choice()}"


def choice() -> str:
    """What is to be said, and how."""
    return (
        "Is the possible answer true or false?\n"
        f"{TRUE}) True\n{FALSE}) False\n"
        f"Reply with the letter {TRUE} or {FALSE} alone."
    )

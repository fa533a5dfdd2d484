"""An answer and how sure the model is of it, in one turn. It may be another answer than the one that is judged."""

from __future__ import annotations

from llmood.prompting.base import Material, Turns, register, user


@register("answer_with_confidence", version=1, reads=())
def ANSWER_WITH_CONFIDENCE(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """The question, and the two lines that are wanted."""
    return Turns(
        user(
            "Answer the question, and say how likely your answer is correct, "
            "as a number from 0 (surely wrong) to 100 (surely right). Write two lines:\n"
            "Answer: your answer, as short as possible\n"
            "Confidence: the number\n\n"
            f"Question: {material.question}"
        ),
        "Answer:",
    )

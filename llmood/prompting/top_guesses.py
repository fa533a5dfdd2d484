"""The model's best guesses, each with its probability."""

from __future__ import annotations

from llmood.prompting.base import Material, Turns, register, user

GUESSES = 4


@register("top_guesses", version=1, reads=())
def TOP_GUESSES(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """The question, and a pair of lines for each guess."""
    lines = "\n".join(f"G{number}: guess\nP{number}: its probability" for number in range(1, GUESSES + 1))
    return Turns(
        user(
            f"Give your {GUESSES} best guesses at the answer to the question, the best first, each as short as "
            "possible, and for each the probability that it is correct, from 0.0 to 1.0. "
            f"Write nothing but these lines:\n{lines}\n\n"
            f"Question: {material.question}"
        ),
        "G1:",
    )

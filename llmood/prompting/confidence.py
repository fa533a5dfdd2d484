"""How sure are you? A second turn behind the answer that the model gave."""

from __future__ import annotations

from llmood.prompting.base import Material, Turns, register
from llmood.records import Message


@register("confidence", version=1, reads=("response",))
def CONFIDENCE(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """The prompt, the answer, and the question how likely that answer is right."""
    asked = (
        "How likely is it that your answer is correct? "
        "Reply with a number from 0 (surely wrong) to 100 (surely right) and nothing else."
    )
    turns = (*material.messages, Message("assistant", material.response), Message("user", asked))
    return Turns(turns, "Confidence:")

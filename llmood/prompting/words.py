"""An answer, and the right one, as words alone: what is compared must be read in the same way."""

from __future__ import annotations

from llmood.prompting.base import Material, Turns, register, user


@register("answer_words", version=1, reads=("response",), bare=True)
def ANSWER_WORDS(material: Material) -> Turns:  # noqa: N802 - what stands here is the template
    """What the model answered."""
    return Turns(user(material.answer), "")


@register("reference_words", version=1, reads=("references",), bare=True)
def REFERENCE_WORDS(material: Material) -> Turns:  # noqa: N802
    """The first of the right answers."""
    return Turns(user(material.references[0].strip()), "")

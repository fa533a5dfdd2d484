"""Covariate shift of any text: seeded corruptions in five grades, each grade holding what the one below did."""

from __future__ import annotations

from llmood.errors import ConfigError
from llmood.tasks.corruptions.base import CORRUPTIONS, GRADES, Corruption, uniforms_of

__all__ = ["CORRUPTIONS", "GRADES", "Corruption", "corrupt"]


def corrupt(text: str, corruption: str, grade: int, *, seed: int, key: str) -> str:
    """The text, corrupted; itself where it has nothing to corrupt.

    What is drawn depends on the seed, the corruption and the key alone, not on the grade: grade 5 changes what grade 1
    changed, and more. A text that isn't blank never becomes blank, and no character is torn from its accents.

    Args:
        corruption: a name of `CORRUPTIONS`.
        grade: 1 (mildest) to 5.
        key: what the text is of (a sample's id, and which of its texts).

    Raises:
        ConfigError: there is no such corruption or grade.
    """
    found = CORRUPTIONS.get(corruption)
    if grade not in GRADES:
        raise ConfigError(
            f"no grade {grade} of '{corruption}'", hint=f"grades are {GRADES[0]} to {GRADES[-1]}"
        )
    if not text or text.isspace():
        return text
    return found.change(text, found.rates[grade - 1], uniforms_of(seed, corruption, key))

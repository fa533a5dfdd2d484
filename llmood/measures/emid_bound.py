"""How large the loss of effective mutual information under a shift can be, from four divergences.

Source: Oh et al., "Understanding Multimodal LLMs Under Distribution Shifts: An Information-Theoretic Approach"
(ICML 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log, sqrt

from llmood.measures.representation_jsd import ROUNDING


def emid_bound(
    inputs: Sequence[float], answers_id: float, answers_ood: float, *, entropy: float | None = None
) -> float:
    """Σ √J_X + J_P^¼ + J_Q^¼; with an entropy constant Ĥ, Ĥ·Σ √J_X + 4·(J_P^¼ + J_Q^¼).

    The first has no unit that EMID has: only its order over pairs of populations means anything. The second bounds
    EMID where the divergences are those of the distributions and Ĥ is large enough; no estimate promises that.

    Args:
        inputs: J_X, ID's inputs against OOD's: one of text, or one each of image and text.
        answers_id: J_P, the model's answers against the references on ID.
        answers_ood: J_Q, the same on OOD.
        entropy: Ĥ, above 0.

    Raises:
        ValueError: no inputs, a divergence outside [0, log 2], or an Ĥ that isn't above 0.

    >>> emid_bound([0.25], 0.0625, 0.0)
    1.0
    """
    if not inputs:
        raise ValueError("inputs: at least one divergence is needed")
    if not all(0.0 <= each <= log(2.0) + ROUNDING for each in (*inputs, answers_id, answers_ood)):
        raise ValueError("divergences lie between 0 and log 2")
    of_inputs = sum(sqrt(each) for each in inputs)
    of_answers = sqrt(sqrt(answers_id)) + sqrt(sqrt(answers_ood))
    if entropy is None:
        return of_inputs + of_answers
    if not 0.0 < entropy < inf:
        raise ValueError(f"entropy must be above 0 and finite, not {entropy}")
    return entropy * of_inputs + 4.0 * of_answers

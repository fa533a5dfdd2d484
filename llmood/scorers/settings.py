"""What a run's configuration tells scorers of answers, as it is where nothing of it is configured."""

from __future__ import annotations

from collections.abc import Mapping

from llmood.states_config import EIGHTHS

Params = Mapping[str, str | int | float | bool]
"""The parameters of a capture. What was imported has none."""

SHORT_ANSWER: Params = {"max_new_tokens": 64}
"""`response`: how the answer is decoded."""
TEN_DRAWS: Params = {"n": 10, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 64, "top": 0, "seed": 0}
"""`generations`: how further answers are drawn."""
NINE_LAYERS: Params = {"layers": EIGHTHS, "positions": "last_prompt,mean_prompt", "dtype": "float32"}
"""`hidden_states`: which states of a model are kept."""
SAME_WORDS: Params = {"rule": "exact"}
"""`equivalence`: when two answers say the same."""

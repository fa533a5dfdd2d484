"""Which hidden states of a model a run keeps: `hidden_states`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from llmood.strict import Strict

EIGHTHS = "0,0.125,0.25,0.375,0.5,0.625,0.75,0.875,-1"
"""Nine layers of any model, from the embeddings to the last one; all of them where it has eight or fewer."""


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class HiddenStatesConfig(Strict):
    """Which hidden states are kept, for the scorers that read them: one forward pass gives all of it.

    `layers`: numbers (`6`, `-1`), ranges (`2-8`), every k-th (`::4`), fractions of the depth (`0.5`), or `all`, with
    commas between them. `positions`: `last_prompt` and `mean_prompt` are known before the first token of an answer, and
    so are its parts `mean_image` (what the model sees of a picture) and `mean_text` (the tokens that are no picture's);
    `last_response`, `mean_response` and `response-2` need the answer. `prompt-2` counts tokens from the prompt's end.
    Each layer at each position takes 4 bytes a dimension and sample, or 2 in `float16`.
    """

    layers: Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int)] = EIGHTHS
    positions: str = "last_prompt,mean_prompt"
    dtype: Literal["float32", "float16"] = "float32"

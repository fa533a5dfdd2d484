"""Prompts with pictures as vLLM takes them: it makes a picture's places itself, out of one image token.

Three of its habits would give numbers of something else without an error. Places that are there already it expands once
more, a prompt whose picture is missing it takes for one without, and it says nothing of either. So it is sent one image
token for each picture, and what it read is compared with what llmood's own processor placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from llmood.engines.base import PICTURE, Captured, Request, Tokenizer
from llmood.engines.models.shown import MOST_PICTURES, ShownRow, contracted
from llmood.engines.opened_pictures import load_all
from llmood.engines.pictures import seeing
from llmood.errors import EngineError
from llmood.records import FAILED, UNSCORED
from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    from llmood.engines.models.vllm_model import VllmModel

WINDOW_PICTURES = 8  # at once: their pixels, and the tensors made of them, are all in memory
SEEING_ROOM = (
    8192  # a picture of the largest size that the processor makes has to have room, whatever was asked
)

LOOKS_AHEAD = "the model looks ahead in a prompt with a picture, so no token of it has a likelihood"


def shown_rows(requests: Sequence[Request], tokenizer: Tokenizer) -> list[Sequence[int] | Captured]:
    """What is sent for each request; or what it has come to, where its picture can't be shown."""
    return [_shown(request, tokenizer) if request.pictures else request.token_ids for request in requests]


def check_causal(model: VllmModel, rows: Sequence[Sequence[int]]) -> bool:
    """Refuse a model that looks ahead behind a picture; False where no row tells.

    Raises:
        EngineError: without its last token, other things are said of those before it.
    """
    row = next((row for row in rows if isinstance(row, ShownRow) and row.behind > 1), None)
    if row is None:
        return False
    from llmood.engines.models.loaded import HALF_TOLERANCE, TOLERANCE

    shorter = ShownRow(row.ids[:-1], row.sent[:-1], row.images, row.behind - 1)
    found = model.token_logprobs([row, shorter], [None, None])
    if any(isinstance(values, str) for values in found):
        return False
    tolerance = TOLERANCE if model.loading.dtype == "float32" else HALF_TOLERANCE
    if not np.allclose(found[0][:-1], found[1], rtol=0, atol=tolerance):
        raise EngineError(LOOKS_AHEAD)
    return True


def _shown(request: Request, tokenizer: Tokenizer) -> ShownRow | Captured:
    if len(request.pictures) > MOST_PICTURES:
        reason = f"{len(request.pictures)} pictures, and {MOST_PICTURES} is the most for the engine 'vllm'"
        return Captured(status=UNSCORED, reason=reason)
    places = tuple((start, stop) for name, start, stop in request.spans if name == PICTURE)
    if len(places) != len(request.pictures):
        raise ValueError(f"{len(places)} places of {len(request.pictures)} pictures")
    try:
        reader = seeing(tokenizer)
        sent = contracted(request.token_ids, reader.made_places(places), reader.image_token_id)
        behind = len(request.token_ids) - max(stop for _, stop in places)
        return ShownRow(request.token_ids, sent, tuple(load_all(request.pictures)), behind)
    except RowError as error:
        return Captured(status=FAILED, reason=str(error))

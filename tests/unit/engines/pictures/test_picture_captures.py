"""Each capture of a prompt with a picture: alone and in a batch alike, by transformers too, and of that picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from llmood.engines.base import Captured, Request
from llmood.engines.prompts import Unmade
from llmood.engines.requests import request_of
from llmood.engines.states import states_of
from llmood.engines.transformers import TransformersEngine
from llmood.records import CaptureSpec
from tests.plain_pictures import plain_states
from tests.seeing import WORDS, prompt_for, request_for, requests_of
from tests.tiny_models import TOLERANCE
from tests.tiny_qwen import seen, text_of

DEPTH = 2
POSITIONS = "last_prompt,mean_prompt,mean_image,mean_text,prompt-2"
STATES = {
    role: CaptureSpec.of("hidden_states", role, layers="all", positions=POSITIONS)
    for role in ("base", "tuned")
}
ANSWER = {"text": "a red one", "token_ids": [101, 102, 103, 1]}
DRAWING = {"n": 2, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 5, "seed": 3, "entropy": True}
SPECS = [
    *STATES.values(),
    CaptureSpec.of(
        "hidden_states", "tuned", "prompt_response", layers="0,-1", positions="mean_response,mean_text"
    ),
    CaptureSpec.of("hidden_states", "tuned", "response", layers="-1", positions="last_response"),
    CaptureSpec.of("prompt_moments", "base"),
    CaptureSpec.of("prompt_logprobs", "tuned", "prompt_response"),
    CaptureSpec.of("prompt_logprobs", "tuned", exit="1"),
    CaptureSpec.of("next_token", "tuned", top=5),
    CaptureSpec.of("next_token", "base", labels='["a","b"]', top=3),
    CaptureSpec.of("attention", "tuned", "prompt_response", layers="all", statistic="previous"),
    CaptureSpec.of("generations", "tuned", **DRAWING),
]


def numbers(captured: Captured) -> list[NDArray[np.float64]]:
    """All that a capture holds, as arrays; a value that isn't there is NaN."""
    assert (captured.status, captured.reason) == ("ok", None)
    rows: Sequence[Mapping[str, Any]] = captured.draws or [captured.values]
    columns = [
        row[name] for row in rows for name in sorted(row) if name not in NAMES and row[name] is not None
    ]
    found = [np.atleast_1d(np.array(column, np.float64)) for column in columns]
    return [*found, captured.states.astype(np.float64)] if captured.states is not None else found


NAMES = ("text", "finish", "position", "dtype", "statistic", "token_index")


def apart(one: Captured, other: Captured) -> float:
    """The largest difference; infinite where something else is recorded."""
    ours, theirs = numbers(one), numbers(other)
    if [each.shape for each in ours] != [each.shape for each in theirs]:
        return np.inf
    return max(float(np.nanmax(np.abs(a - b), initial=0.0)) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_alone_and_in_a_batch(
    engine: TransformersEngine, images: list[Image.Image], spec: CaptureSpec
) -> None:
    requests = requests_of(engine, images, spec, ANSWER)
    together = engine.capture(spec, requests)
    for request, one in zip(requests, together, strict=True):
        assert apart(one, engine.capture(spec, [request])[0]) < TOLERANCE
    # The same words under another picture; an answer alone shows none.
    assert requests[0].token_ids == requests[-1].token_ids
    if spec.target == "response":
        assert requests[0].content == requests[-1].content
        assert apart(together[0], together[-1]) < TOLERANCE
    else:
        assert requests[0].content != requests[-1].content
        assert apart(together[0], together[-1]) > 100 * TOLERANCE


@pytest.mark.parametrize("role", STATES)
def test_states_are_those_of_transformers(
    engine: TransformersEngine, folder: Path, adapter: Path, images: list[Image.Image], kind: str, role: str
) -> None:
    spec = STATES[role]
    requests = requests_of(engine, images, spec)
    for text, image, request, one in zip(
        WORDS, images, requests, engine.capture(spec, requests), strict=False
    ):
        ids, theirs, image_id = plain_states(
            folder, text_of(kind) + text, [image], adapter if role == "tuned" else None
        )
        ((start, stop),) = [each[1:] for each in request.spans if each[0] == "picture"]
        features = ids == image_id
        assert seen(kind, features.sum())
        assert features[start:stop].sum() == features.sum()
        text_alone = np.ones(len(ids), bool)
        text_alone[start:stop] = False
        expected = [
            theirs[:, -1],
            theirs.mean(1),
            theirs[:, features].mean(1),
            theirs[:, text_alone].mean(1),
            theirs[:, -2],
        ]
        assert one.states is not None
        assert np.abs(one.states - np.stack(expected, axis=1)).max() < TOLERANCE
        assert one.values["token_index"] == [len(ids) - 1, None, None, None, len(ids) - 2]


def test_words_alone_are_all_text_and_no_image(engine: TransformersEngine) -> None:
    made = request_of(engine, STATES["base"], prompt_for(engine, "no picture here"), None)
    assert made == Unmade("unscored", "mean_image: its prompt shows no picture")
    spec = CaptureSpec.of("hidden_states", "base", layers="all", positions="mean_prompt,mean_text")
    (one,) = engine.capture(spec, [request_for(engine, "no picture here", spec=spec)])
    assert one.states is not None
    assert np.array_equal(one.states[:, 0], one.states[:, 1])


def test_a_picture_alone_has_no_text(engine: TransformersEngine) -> None:
    spec = CaptureSpec.of("hidden_states", "base", layers="1", positions="mean_text")
    states = states_of(spec, DEPTH)
    spans = (("prompt", 0, 4), ("picture", 0, 4), ("features", 1, 3))
    assert states.positions[0].within(spans) == ()
    assert states.positions[0].why_lacking(spans) == "mean_text: its prompt has no token beside its picture"


def test_first_layer_are_the_features_of_the_picture(
    engine: TransformersEngine, images: list[Image.Image]
) -> None:
    """Before the first block a picture's tokens know nothing of the words, and all texts have their own."""
    spec = CaptureSpec.of("hidden_states", "base", layers="0", positions="mean_image,mean_text")
    pairs = [(WORDS[0], images[0]), (WORDS[2], images[0]), (WORDS[0], images[1])]
    requests: list[Request] = [request_for(engine, text, image, spec=spec) for text, image in pairs]
    first, other_words, other_image = (
        each.states[0] for each in engine.capture(spec, requests) if each.states is not None
    )
    assert np.abs(first[0] - other_words[0]).max() < TOLERANCE
    assert np.abs(first[1] - other_image[1]).max() < TOLERANCE
    assert np.abs(first[0] - other_image[0]).max() > 100 * TOLERANCE
    assert np.abs(first[1] - other_words[1]).max() > 100 * TOLERANCE

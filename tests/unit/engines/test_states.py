"""Layers against a depth, positions against spans: which token each one is."""

from __future__ import annotations

import numpy as np
import pytest

from llmood.engines.base import Request
from llmood.engines.fake_states import fake_states
from llmood.engines.layers import depth_of, layers_of
from llmood.engines.prompts import Prompt, Unmade
from llmood.engines.requests import request_of
from llmood.engines.states import captured_states, lacking, positions_of, states_of
from llmood.errors import ConfigError
from llmood.records import CaptureSpec
from tests.observing import Spy

SPANS = (("prompt", 0, 5), ("response", 5, 8))


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("0", (0,)),
        ("12", (12,)),
        ("-1", (12,)),
        ("-13", (0,)),
        ("6,0,-1,6", (0, 6, 12)),
        ("2-5", (2, 3, 4, 5)),
        ("3-3", (3,)),
        ("::4", (0, 4, 8, 12)),
        ("::5", (0, 5, 10)),
        ("0.5", (6,)),
        ("0.0, 1.0", (0, 12)),
        (".29", (3,)),
        ("all", tuple(range(13))),
        ("0.25,2-4,-1", (2, 3, 4, 12)),
    ],
)
def test_layers_of_twelve_blocks(text: str, layers: tuple[int, ...]) -> None:
    assert layers_of(text, 12) == layers


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("13", "there is no layer 13: the model has 12 blocks (0 (the embeddings) to 12)"),
        ("-14", "there is no layer -14"),
        ("10-13", "there is no layer 13"),
        ("5-2", "run backwards (2-5)"),
        ("", "layers '' are none (write 6, -1, 2-8, ::4, 0.5 or all"),
        ("1,,2", "layers '' are none"),
        ("last", "layers 'last' are none"),
        ("::0", "layers '::0' are none"),
        ("1.5", "layers '1.5' are none"),
        ("2:8", "layers '2:8' are none"),
    ],
)
def test_layers_that_there_are_not(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        layers_of(text, 12)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("last_prompt", (4, 5)),
        ("prompt-1", (4, 5)),
        ("prompt-5", (0, 1)),
        ("prompt+0", (0, 1)),
        ("prompt+4", (4, 5)),
        ("mean_prompt", (0, 5)),
        ("last_response", (7, 8)),
        ("response+0", (5, 6)),
        ("response-2", (6, 7)),
        ("mean_response", (5, 8)),
        ("prompt-6", None),
        ("prompt+5", None),  # not the answer's first token
        ("response-4", None),  # not the prompt's last
        ("response+3", None),
    ],
)
def test_which_token_a_position_is(name: str, tokens: tuple[int, int] | None) -> None:
    (position,) = positions_of(name)
    assert position.within(SPANS) == (() if tokens is None else (tokens,))


@pytest.mark.parametrize("name", ["", "last", "prompt", "prompt-0", "prompt5", "mean_prefix", "answer-1"])
def test_positions_that_there_are_not(name: str) -> None:
    with pytest.raises(ConfigError, match="is none"):
        positions_of(name)


def test_the_eye_is_a_scorers_position_and_no_hidden_state() -> None:
    with pytest.raises(
        ConfigError, match=r"^position 'eye' is none \(.*; eye is a scorer's, and none of hidden_states"
    ):
        positions_of("last_prompt,eye")


@pytest.mark.parametrize(
    ("target", "params", "reason"),
    [
        ("prompt", {"layers": 5, "positions": "last_prompt"}, "there is no layer 5"),
        ("prompt", {"layers": 1, "positions": "last_response"}, "there is no last_response where the prompt"),
        ("response", {"layers": 1, "positions": "mean_prompt"}, "there is no mean_prompt where the response"),
        ("prompt", {"layers": 1, "positions": "last_prompt,last_prompt"}, "'last_prompt' is there twice"),
        ("prompt", {"layers": 1, "positions": "last_prompt", "dtype": "int8"}, "dtype 'int8' is not stored"),
        ("prompt", {"layer": 1, "positions": "last_prompt"}, "has no setting 'layer' (known: dtype"),
        ("prompt", {"layers": 1}, "position '' is none"),
        ("prompt", {"positions": "last_prompt"}, "layers '' are none"),
    ],
)
def test_what_a_capture_asks_is_checked(target: str, params: dict[str, str | int], reason: str) -> None:
    spec = CaptureSpec.of("hidden_states", "base", target, **params)
    with pytest.raises(ConfigError) as caught:
        states_of(spec, 4)
    assert str(caught.value).startswith(f"{spec.id}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_id_says_what_is_asked() -> None:
    spec = CaptureSpec.of(
        "hidden_states", "tuned", layers="0,6,-1", positions="last_prompt,prompt-2", dtype="float16"
    )
    back = CaptureSpec.from_id(spec.id)
    assert back == spec
    assert states_of(back, 12) == states_of(spec, 12)
    assert CaptureSpec.from_id("response/tuned/prompt?a=1,b=x").params == (("a", "1"), ("b", "x"))


@pytest.mark.parametrize(
    ("config", "depth"),
    [
        ({"num_hidden_layers": 3}, 3),
        ({"n_layer": 2}, 2),
        ({"text_config": {"num_hidden_layers": 5}, "num_hidden_layers": 9}, 5),
        ({"num_hidden_layers": None}, None),
        ({}, None),
    ],
)
def test_the_depth_is_in_the_configuration(config: dict[str, object], depth: int | None) -> None:
    assert depth_of(config) == depth


def test_a_sample_that_is_too_short_is_unscored_with_its_reason() -> None:
    spec = CaptureSpec.of("hidden_states", "tuned", "prompt_response", layers=1, positions="response-3")
    engine = Spy()
    prompt = Prompt("s", (0, 5, 6))
    answer = {"text": "a", "token_ids": [7, 8]}
    assert request_of(engine, spec, prompt, answer) == Unmade(
        "unscored", "response-3: its response has 2 tokens"
    )
    long = request_of(engine, spec, prompt, {"text": "ab", "token_ids": [7, 8, 9]})
    assert isinstance(long, Request)
    assert lacking(spec, long.spans) is None
    short = CaptureSpec.of("hidden_states", "tuned", layers=1, positions="prompt+1")
    assert request_of(engine, short, Prompt("s", (0,)), None) == Unmade(
        "unscored", "prompt+1: its prompt has 1 token"
    )


def test_the_columns_say_which_token_it_was() -> None:
    spec = CaptureSpec.of(
        "hidden_states", "base", "prompt_response", layers="0,-1", positions="response-2,mean_prompt"
    )
    states = states_of(spec, 4)
    found = captured_states(np.zeros((2, 2, 3), np.float32), states, SPANS)
    assert found.status == "ok"
    assert found.values == {
        "layer": [0, 4],
        "position": ["response-2", "mean_prompt"],
        "token_index": [6, None],
        "depth": 4,
        "dim": 3,
        "dtype": "float32",
    }


@pytest.mark.parametrize(
    ("value", "dtype", "reason"),
    [
        (np.nan, "float32", "a state that is not a number"),
        (np.inf, "float32", "an infinite state"),
        (np.inf, "float16", "an infinite state"),
        (1e5, "float16", "a state is larger than float16 holds"),
        (1e5, "float32", None),
        (6e4, "float16", None),
    ],
)
def test_what_is_no_state_is_a_failure(value: float, dtype: str, reason: str | None) -> None:
    states = states_of(
        CaptureSpec.of("hidden_states", "base", layers=0, positions="last_prompt", dtype=dtype), 4
    )
    found = captured_states(np.array([[[1.0, value]]], np.float32), states, SPANS)
    assert found.status == ("failed" if reason else "ok")
    assert (reason or "") in (found.reason or "")


def test_texts_that_end_alike_have_one_last_embedding() -> None:
    states = states_of(CaptureSpec.of("hidden_states", "base", layers="0,1", positions="last_prompt"), 4)
    one, other = (
        fake_states("m", ids, states, (("prompt", 0, len(ids)),)) for ids in ([1, 2, 9], [1, 3, 4, 9])
    )
    assert np.array_equal(one[0], other[0])
    assert not np.array_equal(one[1], other[1])

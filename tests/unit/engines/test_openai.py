"""The engine for servers: what it finds out, and the same numbers as the fake engine's whatever way they come."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

import pytest

from llmood.config import EngineConfig, Models
from llmood.engines.base import Captured, Request
from llmood.engines.fake import FakeEngine
from llmood.engines.fake_model import FakeTokenizer
from llmood.engines.openai import OpenAIEngine
from llmood.engines.server.wire import WireTokenizer, messages_of
from llmood.errors import ConfigError, EngineError
from llmood.records import CaptureSpec, Message
from tests.stub_server import CHAT, COMPLETIONS, MODELS, Stub

# What OpenAI's own servers take; anything else is refused with 400.
OPENAI_COMPLETIONS = frozenset("model prompt max_tokens temperature n logprobs echo".split())
OPENAI_CHAT = frozenset("model messages max_completion_tokens temperature n logprobs".split())

SCORED = [
    CaptureSpec.of("prompt_logprobs", role, target)
    for role in ("base", "tuned")
    for target in ("prompt", "response", "prompt_response")
]
RESPONSE = CaptureSpec.of("response", "tuned", max_new_tokens=6)
PROMPT = CaptureSpec.of("prompt_logprobs", "tuned")
TEXTS = ["a", "bc", "", "defghij", "k" * 20, "lm ✓", "n" * 9]

Make = Callable[..., OpenAIEngine]

pytestmark = pytest.mark.usefixtures("stub")


def fake() -> FakeEngine:
    return FakeEngine(EngineConfig(), Models.model_validate({"base": "base", "tuned": "tuned"}))


def requests_of(*texts: str) -> list[Request]:
    return [Request(ids) for ids in FakeTokenizer().encode(texts or TEXTS, rendered=False)]


def run(
    engine: OpenAIEngine, spec: CaptureSpec, requests: list[Request], **options: Any
) -> dict[int, Captured]:
    found = [item for batch in engine.run(spec, requests, **options) for item in batch]
    assert len(found) == len(dict(found)), "a result came twice"
    return dict(found)


def expected(spec: CaptureSpec, requests: list[Request]) -> dict[int, Captured]:
    return dict(enumerate(fake().capture(spec, requests)))


def same(ours: dict[int, Captured], theirs: dict[int, Captured]) -> None:
    assert sorted(ours) == sorted(theirs)
    for index, captured in ours.items():
        assert (captured.status, captured.reason) == ("ok", None)
        for name, value in theirs[index].values.items():
            if name == "entropy":  # a server shows no whole vocabulary
                continue
            given = captured.values[name]
            assert given == (pytest.approx(value, abs=1e-6) if name == "logprobs" and value[1:] else value)


# ------------------------------------------------------------------------------------------- what it is asked for


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"tuned": {"adapter": "a"}},
            r"models.tuned.adapter: .* can't put an adapter .*--lora-modules NAME=a",
        ),
        ({"tuned": [{"adapter": "a"}, {"adapter": "b"}]}, r"models.tuned.adapter: .* can't put an adapter"),
        ({"base": {"model": "base", "revision": "main"}}, r"models.base.revision: .*\(leave it out\)"),
        ({"api": "chat"}, r"engine.server.api: 'chat' takes messages, no token ids"),
        ({"tokenizer": None, "config": {"max_length": 9}}, r"engine.max_length: counts tokens"),
        ({"key_env": "NOT_SET_ANYWHERE"}, r"engine.server.key_env: .* is not set"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    make: Make, stub: Stub, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        make(**change)
    assert "NOT_SET_ANYWHERE" not in str(refused.value)
    assert stub.asked == []


def test_a_server_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"engine.server: is missing"):
        OpenAIEngine(EngineConfig(kind="openai"), Models.model_validate({"base": "b"}))


def test_nothing_is_asked_before_it_is_needed(make: Make, stub: Stub) -> None:
    engine = make()
    assert engine.roles == ("base", "tuned")
    assert engine.tokenizer("base").end_ids == FakeTokenizer.end_ids
    assert stub.asked == []
    assert engine.supports(PROMPT)
    count = len(stub.asked)
    assert engine.supports(RESPONSE)
    assert engine.context_length("base") == 4096
    assert len(stub.asked) == count <= 5  # the models, and two requests for each


# ------------------------------------------------------------------------------------------------ what it finds out


def test_a_name_that_is_not_served(make: Make) -> None:
    with pytest.raises(
        ConfigError,
        match=r"models.tuned: .* serves no 'tunde' \(did you mean 'tuned'\? It serves base, tuned\)",
    ):
        make(tuned="tunde").supports(PROMPT)
    with pytest.raises(ConfigError, match=r"serves no 'xyz' \(it serves base, tuned\)"):
        make(tuned="xyz").supports(PROMPT)


def test_nobody_there(make: Make, stub: Stub) -> None:
    stub.die()
    with pytest.raises(EngineError, match=r"can't be reached: the connection fails \(ConnectError\)") as told:
        make().supports(PROMPT)
    assert told.value.exit_code == 1


def test_another_kind_of_server(make: Make, stub: Stub) -> None:
    with pytest.raises(ConfigError, match=rf"speaks OpenAI's protocol .*did you mean {stub.url}\?"):
        make(url=stub.url.removesuffix("/v1")).supports(PROMPT)


def test_a_refused_key_is_never_shown(
    make: Make, stub: Stub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stub.key = "right"
    monkeypatch.setenv("MY_KEY", "tulips-in-spring")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(
        ConfigError, match=r"refuses the key: it answers 401: Incorrect API key provided: …"
    ) as told:
        make(key_env="MY_KEY").supports(PROMPT)
    monkeypatch.setenv("MY_KEY", "right")
    engine = make(key_env="MY_KEY")
    run(engine, PROMPT, requests_of())
    kept = repr([engine.identity("tuned"), engine.describe("tuned"), engine.config.model_dump()])
    for text in (str(told.value), caplog.text, kept):
        assert "tulips" not in text
        assert "Bearer right" not in text


def test_a_key_that_can_not_be_sent(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("tul\nips", "tülips"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(ConfigError, match="holds characters that no key has") as refused:
            make()
        assert key not in str(refused.value)


def test_a_server_without_a_list(make: Make, stub: Stub) -> None:
    stub.listed = False
    assert run(make(), PROMPT, requests_of("ab"))[0].status == "ok"
    with pytest.raises(
        ConfigError, match=r"takes no token ids at /completions: it answers 404: The model `x`"
    ):
        make(base="x").supports(PROMPT)


def test_the_context_is_the_server_s_less_the_token_that_it_makes(make: Make, stub: Stub) -> None:
    stub.context = 100
    assert make().context_length("base") == 99
    assert make(config={"max_length": 50}).context_length("base") == 50
    stub.context = None
    assert make().context_length("base") > 10**6
    assert make(config={"max_length": 50}).context_length("base") == 50


def test_a_tokenizer_of_another_model(make: Make, stub: Stub) -> None:
    stub.reads = lambda token: chr(ord("a") + token % 26)
    with pytest.raises(
        ConfigError, match=r"engine.server.tokenizer: is not that of base: what was sent as 'Thequick"
    ):
        make().supports(PROMPT)


@pytest.mark.parametrize(("usage", "token_ids"), [(True, True), (True, False), (False, True)])
def test_a_server_that_adds_tokens_of_its_own(make: Make, stub: Stub, usage: bool, token_ids: bool) -> None:
    stub.adds, stub.usage, stub.token_ids = (0,), usage, token_ids
    with pytest.raises(ConfigError, match=r"base doesn't read the tokens that are sent: it gives"):
        make().supports(PROMPT)


def test_a_server_that_adds_tokens_and_says_nothing(make: Make, stub: Stub) -> None:
    stub.adds, stub.usage, stub.token_ids = (0,), False, False
    lacking = make().lacks(PROMPT)
    assert lacking is not None
    assert "log-probabilities of 49 tokens for the 48 that were sent" in lacking


def test_a_server_that_takes_no_ids(make: Make, stub: Stub) -> None:
    stub.fault = lambda path, body, before: 400 if isinstance(body.get("prompt"), list) else None
    with pytest.raises(
        ConfigError, match=r"base takes no token ids at /completions: it answers 400.*api: chat"
    ):
        make().supports(PROMPT)


# ------------------------------------------------------------------------------------- the same numbers in every way


@pytest.mark.parametrize("spec", [*SCORED, RESPONSE], ids=lambda spec: spec.id)
def test_the_fake_engine_s_numbers(make: Make, spec: CaptureSpec) -> None:
    requests = requests_of()
    engine = make()
    same(run(engine, spec, requests), expected(spec, requests))


def test_by_echo_where_there_is_no_field(make: Make, stub: Stub) -> None:
    stub.scoring = False
    engine = make()
    assert engine.abilities("base").scoring == "echo"
    same(run(engine, PROMPT, requests_of()), expected(PROMPT, requests_of()))
    assert all(body["echo"] for body in stub.bodies()[-5:])


def test_in_the_words_of_a_strict_server(make: Make, stub: Stub) -> None:
    stub.fields = OPENAI_COMPLETIONS
    engine = make()
    form = engine.abilities("base").form
    assert (engine.abilities("base").scoring, form.extras, form.logprobs) == ("echo", False, True)
    same(run(engine, PROMPT, requests_of()), expected(PROMPT, requests_of()))
    # It gives no ids, so its answers can't be scored: what they are is known as text alone.
    assert engine.lacks(RESPONSE) is None
    assert engine.lacks(SCORED[1]) == "it gives no ids of the tokens that it generates"
    answers = run(engine, RESPONSE, requests_of())
    for index, theirs in expected(RESPONSE, requests_of()).items():
        assert answers[index].values["text"] == theirs.values["text"]
        assert answers[index].values["token_ids"] is None


@pytest.mark.parametrize("more", [{"entropy": True}, {"statistics": True}, {"top": 20}])
def test_nothing_of_other_tokens_is_promised(make: Make, more: dict[str, int]) -> None:
    spec = CaptureSpec.of("response", "tuned", max_new_tokens=6, **more)
    assert make().lacks(spec) == "of a server's answers only each token's own log-probability is recorded"


def test_log_probabilities_that_are_dropped_are_found_out(make: Make, stub: Stub) -> None:
    stub.scoring = stub.echo = stub.logprobs = False
    engine = make()
    lacking = engine.lacks(PROMPT)
    assert lacking is not None
    assert "with 'prompt_logprobs' it gives no log-probabilities of the prompt" in lacking
    assert "with 'echo' it gives no log-probabilities of the prompt" in lacking
    assert engine.lacks(RESPONSE) is None
    assert engine.abilities("base").seen is None  # no number to know it again by
    assert engine.identity("base")["weights"] is None


def test_greedy_is_asked_for_whatever_the_server_s_defaults(make: Make, stub: Stub) -> None:
    engine = make()
    assert engine.supports(RESPONSE)
    stub.forget()
    run(engine, RESPONSE, requests_of("ab"))
    body = stub.bodies()[0]
    assert (body["temperature"], body["n"], body["repetition_penalty"]) == (0, 1, 1.0)
    assert body["stop_token_ids"] == sorted(FakeTokenizer.end_ids)
    assert body["max_tokens"] == 6


def test_an_answer_ends_where_the_context_does(make: Make, stub: Stub) -> None:
    stub.context = 60
    engine = make()
    (request,) = requests_of("x" * 55)  # 56 tokens: room for 3 of 59
    assert len(request.token_ids) == 56
    answer = run(engine, RESPONSE, [request])[0].values
    assert len(answer["token_ids"]) <= 3
    assert stub.bodies()[-2]["max_tokens"] == 3


def test_one_token_needs_no_question(make: Make, stub: Stub) -> None:
    engine = make()
    assert engine.supports(PROMPT)
    stub.forget()
    assert run(engine, PROMPT, [Request((0,))])[0].values == {"logprobs": [None]}
    assert stub.count() == 1  # the look again


# ----------------------------------------------------------------------------------------------- without a tokenizer


def chats() -> list[Request]:
    tokenizer = WireTokenizer(chat=True)
    turns = [[Message("system", "be short"), Message("user", text)] for text in ("hi ✓", "what?")]
    texts = [tokenizer.render(turn) for turn in turns]
    return [Request(ids) for ids in tokenizer.encode(texts, rendered=True)]


@pytest.mark.parametrize("fields", [None, OPENAI_CHAT], ids=["vLLM", "strict"])
def test_chats_give_responses_and_no_more(make: Make, stub: Stub, fields: frozenset[str] | None) -> None:
    stub.fields = fields
    engine = make(tokenizer=None)
    assert engine.tokenizer("base").has_chat_template
    assert all("tokenizer is not set" in (engine.lacks(spec) or "") for spec in SCORED)
    assert engine.lacks(RESPONSE) is None
    answers = run(engine, RESPONSE, chats())
    for index, request in enumerate(chats()):
        messages = [Message(turn["role"], turn["content"]) for turn in messages_of(request.token_ids)]
        (ids,) = FakeTokenizer().encode([FakeTokenizer().render(messages)], rendered=True)
        (theirs,) = fake().capture(RESPONSE, [Request(ids)])
        ours = answers[index].values
        assert ours["text"] == theirs.values["text"]
        assert ours["token_ids"] == (theirs.values["token_ids"] if fields is None else None)
        assert ours["logprobs"] == pytest.approx(theirs.values["logprobs"])
    assert stub.count(COMPLETIONS) == 0
    assert engine.describe("base")["counted_in"] == "bytes"
    assert engine.describe("base")["context"] is None


def test_a_chat_model_that_can_not_be_greedy(make: Make, stub: Stub) -> None:
    stub.fields = OPENAI_CHAT - {"temperature"}
    lacking = make(tokenizer=None).lacks(RESPONSE)
    assert lacking is not None
    assert "it answers 400: Unrecognized request argument supplied: temperature" in lacking


def test_texts_without_a_tokenizer(make: Make, stub: Stub) -> None:
    engine = make(tokenizer=None, api="completions")
    assert not engine.tokenizer("base").has_chat_template
    requests = [Request(tuple(text.encode())) for text in ("ab", "ü")]
    answers = run(engine, RESPONSE, requests)
    theirs = expected(RESPONSE, requests_of("ab", "ü"))
    assert [answers[i].values["text"] for i in (0, 1)] == [theirs[i].values["text"] for i in (0, 1)]
    assert stub.count(CHAT) == 0


# ------------------------------------------------------------------------------------------------ what it is keyed on


def test_identity_is_address_name_and_what_the_model_gives(make: Make, stub: Stub) -> None:
    engine = make()
    identity = engine.identity("tuned")
    assert (identity["server"], identity["model"]) == (stub.url, "tuned")
    assert identity["weights"].startswith("seen:")
    assert make().identity("tuned") == identity  # although the server's list bears another time
    assert engine.identity("base")["weights"] != identity["weights"]


def test_another_model_under_the_same_name_is_another(make: Make, stub: Stub) -> None:
    before = make().identity("tuned")
    stub.aliases["tuned"] = "retrained"
    after = make()
    assert after.identity("tuned")["weights"] != before["weights"]
    assert after.describe("tuned")["seen_before"] == 1
    del stub.aliases["tuned"]
    assert make().identity("tuned") == before


def test_a_model_that_changes_while_it_is_asked_is_found_out(make: Make, stub: Stub) -> None:
    engine = make()
    before = engine.identity("tuned")

    def replace_it(path: str, body: dict[str, Any], before: int) -> None:
        stub.aliases["tuned"] = "retrained"

    stub.fault = replace_it
    with pytest.raises(EngineError, match=r"models.tuned: 'tuned' changed at .* while it was asked"):
        run(engine, PROMPT, requests_of())
    # Nothing that was stored in the meantime is taken for either model again.
    stub.fault = Stub.fault
    del stub.aliases["tuned"]
    assert make().identity("tuned")["weights"] != before["weights"]


def test_random_numbers_of_others_are_left_alone(make: Make, stub: Stub) -> None:
    stub.fault = lambda path, body, before: 500 if before == 0 else None
    random.seed(3)
    state = random.getstate()
    run(make(), PROMPT, requests_of())
    assert random.getstate() == state


def test_the_list_is_asked_once(make: Make, stub: Stub) -> None:
    engine = make()
    for spec in (*SCORED, RESPONSE):
        run(engine, spec, requests_of("ab"))
    assert stub.count(MODELS) == 1

"""Pictures through vLLM's CPU build against transformers and peft alone; each way to misread one is a test here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from llmood.engines.base import Request
from llmood.engines.models.shown import ShownRow, contracted
from llmood.engines.pictures import seeing
from llmood.engines.vllm import VllmEngine
from llmood.engines.vllm_pictures import WINDOW_PICTURES
from llmood.errors import ConfigError, EngineError
from llmood.picture_records import Picture
from llmood.records import CaptureSpec
from llmood.tasks.row_errors import RowError
from tests.pictures import demo_pictures, speckled
from tests.plain_pictures import plain_logprobs, plain_states
from tests.seeing import request_for as seeing_request
from tests.tiny_models import BASE, TOLERANCE, TUNED, respond
from tests.tiny_pictures import save_llava, save_picture_adapter, save_pictured
from tests.vllm_engines import run_all, run_well, vllm_engine

TOKEN = "<image>"
WORDS = ("what is red?", "which", "is the circle above the square, or below?", "no picture here")
EYE = CaptureSpec.of("prompt_logprobs", "tuned:1")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("vllm")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sees")
    # Cut into tiles, so that pictures of one size have as many tokens, and of several sizes not. vLLM's attention on a
    # CPU has no heads as small as these models' are otherwise.
    base = save_pictured(root / "base", split=True, head_dim=32)
    return {
        "base": base,
        "words": save_picture_adapter(root / "words", base, eye=False),
        "eye": save_picture_adapter(root / "eye", base, seed=5),
    }


def made_of(folders: dict[str, Path], *tuned: str) -> VllmEngine:
    return vllm_engine(folders["base"], *(folders[name] for name in tuned))


@pytest.fixture(scope="module")
def engine(folders: dict[str, Path]) -> Iterator[VllmEngine]:
    made = made_of(folders, "words", "eye")
    yield made
    made.close()


@pytest.fixture(scope="module")
def images() -> list[Image.Image | None]:
    """Two of one size, one of another, none."""
    return [*demo_pictures(2), speckled(64, 32), None]


def request_for(
    engine: VllmEngine, text: str, image: Image.Image | None, spec: CaptureSpec = BASE
) -> Request:
    return seeing_request(engine, text, *([] if image is None else [image]), spec=spec)


def values(engine: VllmEngine, spec: CaptureSpec, requests: list[Request]) -> list[dict[str, Any]]:
    return [dict(each.values) for each in run_well(engine, spec, requests)]


def differences(ours: list[Any], theirs: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(ours[1:], theirs, strict=True) if a is not None)


@pytest.mark.parametrize(("spec", "adapter"), [(BASE, None), (TUNED, "words"), (EYE, "eye")])
def test_prompts_as_transformers_scores_them(
    engine: VllmEngine,
    folders: dict[str, Path],
    images: list[Image.Image | None],
    spec: CaptureSpec,
    adapter: str | None,
) -> None:
    requests = [request_for(engine, text, image) for text, image in zip(WORDS, images, strict=True)]
    found = values(engine, spec, requests)
    assert len({len(request.token_ids) for request in requests}) > 2
    for text, image, request, each in zip(WORDS, images, requests, found, strict=True):
        ids, theirs = (
            plain_logprobs(folders["base"], TOKEN + text, [image], folders[adapter] if adapter else None)
            if image
            else (list(request.token_ids), [])
        )
        assert list(request.token_ids) == ids
        if not image:
            assert None not in each["logprobs"][1:]
            continue
        (_, start, stop) = request.spans[1]
        nulls = {place for place, value in enumerate(each["logprobs"]) if value is None}
        assert nulls == {0, *range(start, stop)}
        assert differences(each["logprobs"], theirs) < TOLERANCE


def test_an_adapter_of_the_eye_is_merged(engine: VllmEngine) -> None:
    assert engine.describe("tuned")["merged"] is None
    assert "vision_model" in engine.describe("tuned:1")["merged"]


def test_the_same_words_under_another_picture_have_other_numbers(
    engine: VllmEngine, images: list[Image.Image | None]
) -> None:
    first, second = [request_for(engine, WORDS[0], image) for image in images[:2]]
    assert first.token_ids == second.token_ids
    one, other, again = values(engine, BASE, [first, second, first])
    assert abs(one["logprobs"][-1] - other["logprobs"][-1]) > 100 * TOLERANCE
    assert differences(one["logprobs"], again["logprobs"][1:]) < TOLERANCE


@pytest.mark.parametrize("role", ["base", "tuned"])
def test_answers_draws_and_next_tokens_are_of_the_picture(
    engine: VllmEngine, folders: dict[str, Path], images: list[Image.Image | None], role: str
) -> None:
    requests = [request_for(engine, text, image) for text, image in zip(WORDS[:3], images, strict=False)]
    draws = CaptureSpec.of(
        "generations", role, n=2, temperature=1.0, top_p=1.0, max_new_tokens=4, seed=0, top=2, entropy=True
    )
    drawn = run_all(engine, draws, [replace(each, seed=7) for each in requests])
    after = values(engine, CaptureSpec.of("next_token", role, top=3, labels="k|b"), requests)  # type: ignore[arg-type]
    answers = values(engine, respond(role), requests)
    scored = CaptureSpec.of("prompt_logprobs", role, "prompt_response")
    for request, answer, several, following in zip(requests, answers, drawn, after, strict=True):
        rows = [answer, *several.draws]
        assert len(rows) == 3
        for each in rows:
            ids = (*request.token_ids, *each["token_ids"])
            (whole,) = values(engine, scored, [replace(request, token_ids=ids)])
            theirs = whole["logprobs"][len(request.token_ids) :]
            assert np.allclose(each["logprobs"], theirs, rtol=0, atol=TOLERANCE)
        assert following["top_ids"][0] == answer["token_ids"][0]
        assert abs(following["top_logprobs"][0] - answer["logprobs"][0]) < TOLERANCE
    one, other = values(engine, respond(role), [request_for(engine, WORDS[0], image) for image in images[:2]])
    assert one["logprobs"] != other["logprobs"]


@pytest.mark.parametrize("role", ["base", "tuned"])
def test_states_behind_and_at_the_picture_are_transformers_own(
    engine: VllmEngine, folders: dict[str, Path], images: list[Image.Image | None], role: str
) -> None:
    spec = CaptureSpec.of(
        "hidden_states", role, layers="0,1,2", positions="last_prompt,mean_prompt,mean_image,mean_text"
    )
    requests = [
        request_for(engine, text, image, spec) for text, image in zip(WORDS[:3], images, strict=False)
    ]
    results = run_all(engine, spec, requests)
    for text, image, request, result in zip(WORDS, images, requests, results, strict=False):
        assert image is not None
        assert result.states is not None
        adapter = folders["words"] if role == "tuned" else None
        ids, layers, image_id = plain_states(folders["base"], TOKEN + text, [image], adapter)
        (_, start, stop) = request.spans[1]
        words = [*range(start), *range(stop, len(ids))]
        means = [
            layers[:, -1],
            layers.mean(axis=1),
            layers[:, ids == image_id].mean(axis=1),
            layers[:, words].mean(axis=1),
        ]
        expected = np.stack(means, axis=1)
        assert np.abs(result.states.reshape(expected.shape) - expected).max() < TOLERANCE


def test_a_misread_picture_fails_its_sample_alone(
    engine: VllmEngine, images: list[Image.Image | None]
) -> None:
    good, other, words = [request_for(engine, WORDS[0], image) for image in (images[0], images[2], images[3])]
    # Places for one size of picture, and a picture of another.
    wrong = replace(other, pictures=good.pictures)
    for spec in (BASE, respond("base"), CaptureSpec.of("next_token", "base", top=2)):
        results = run_all(engine, spec, [good, wrong, words])
        assert [each.status for each in results] == ["ok", "failed", "ok"]
        assert "vLLM read another prompt than it was to" in str(results[1].reason)


def test_what_cannot_be_shown_is_a_row_of_its_own(
    engine: VllmEngine, images: list[Image.Image | None], tmp_path: Path
) -> None:
    good = request_for(engine, WORDS[0], images[0])
    gone = replace(good, pictures=(Picture(good.pictures[0].digest, tmp_path / "gone.png"),))
    ((_, start, stop),) = good.spans[1:]
    twice = replace(good, pictures=good.pictures * 2, spans=(*good.spans, ("picture", start, stop)))
    image_id = seeing(engine.tokenizer("base")).image_token_id
    word = replace(good, token_ids=(*good.token_ids, image_id))
    results = run_all(engine, BASE, [gone, twice, good, word])
    assert [each.status for each in results] == ["failed", "unscored", "ok", "failed"]
    reasons = [str(each.reason) for each in results]
    assert "gone.png" in reasons[0]
    assert reasons[1] == "2 pictures, and 1 is the most for the engine 'vllm'"
    assert "hold its image token" in reasons[3]


def test_a_picture_that_vllm_refuses_fails_alone(
    engine: VllmEngine, images: list[Image.Image | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = [request_for(engine, text, images[0]) for text in WORDS[:2]]
    values(engine, BASE, [good])
    model = engine._loaded
    assert model is not None
    plain = model.llm.generate

    def refusing(prompts: Any, *args: Any, **kwargs: Any) -> Any:
        if any(list(bad.token_ids[-2:]) == each["prompt_token_ids"][-2:] for each in prompts):
            raise ValueError("no such picture\nand more")
        return plain(prompts, *args, **kwargs)

    monkeypatch.setattr(model.llm, "generate", refusing)
    results = run_all(engine, BASE, [good, bad])
    assert [each.status for each in results] == ["ok", "failed"]
    assert results[1].reason == "vLLM refuses the picture: no such picture"


def test_few_pictures_are_in_memory_at_once(
    engine: VllmEngine, images: list[Image.Image | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(engine, WORDS[0], images[0])
    values(engine, BASE, [request])
    model = engine._loaded
    assert model is not None
    sizes: list[int] = []
    plain = model.llm.generate
    monkeypatch.setattr(
        model.llm, "generate", lambda p, *a, **k: (sizes.append(len(p)), plain(p, *a, **k))[1]
    )
    values(engine, BASE, [request] * (2 * WINDOW_PICTURES + 1))
    assert sizes == [WINDOW_PICTURES, WINDOW_PICTURES, 1]


def test_a_model_that_looks_ahead_is_refused(
    engine: VllmEngine, images: list[Image.Image | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmood.engines.models.vllm_model import VllmModel

    monkeypatch.setattr(engine, "_causal", set())
    plain = VllmModel.token_logprobs

    def ahead(self: VllmModel, rows: Any, adapters: Any) -> Any:
        return [
            each + np.float32(0.01 * len(row))
            for each, row in zip(plain(self, rows, adapters), rows, strict=True)
        ]

    monkeypatch.setattr(VllmModel, "token_logprobs", ahead)
    with pytest.raises(EngineError, match="looks ahead"):
        run_all(engine, BASE, [request_for(engine, WORDS[0], images[0])])


def test_one_image_token_a_picture() -> None:
    assert contracted([1, 7, 9, 9, 7, 2], [(1, 5)], 9) == (1, 9, 2)
    assert contracted([9, 9, 3, 9, 9], [(3, 5), (0, 2)], 9) == (9, 3, 9)
    with pytest.raises(RowError, match="hold its image token"):
        contracted([1, 9, 9, 2, 9], [(1, 3)], 9)
    row = ShownRow((1, 7, 9), (1, 9), (), 0)
    assert (len(row), list(row), row[1:]) == (3, [1, 7, 9], (7, 9))


def test_what_vllm_cannot_import_is_one_line(
    tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmood.engines.vllm_build.has_torchvision", lambda: False)
    with pytest.raises(
        ConfigError, match=r"models.base: vLLM runs models of the kind 'llava' with torchvision only"
    ):
        made_of({"base": save_llava(tmp_path / "llava")})
    from llmood.engines.vllm_build import why_not_loaded

    reason, hint = why_not_loaded("1 validation error\nModel architectures ['X'] failed to be inspected. See")
    assert "torchvision is not installed" in reason
    assert "engine.kind=transformers" in str(hint)
    assert why_not_loaded("out of luck\nand more") == ("out of luck", None)
    monkeypatch.setattr("llmood.engines.vllm_build.has_torchvision", lambda: True)
    assert made_of({"base": tmp_path / "llava"}).refuses_pictures() is None

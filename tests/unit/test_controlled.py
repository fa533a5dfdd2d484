"""Prompts under a control: what changes, and what stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from llmood.config import RunConfig
from llmood.controlled import under_controls
from llmood.engines.prompts import Prompt, Unmade
from llmood.engines.transformers import TransformersEngine
from llmood.modality_config import CONTROLS
from llmood.records import CaptureSpec, Message
from llmood.tasks import LoadedTask, load_task
from llmood.tasks.images.cells import load_picture
from llmood.tasks.prompt import Template
from tests.pictures import demo_pictures, speckled
from tests.seeing import prompt_for
from tests.task_files import write_task
from tests.tiny_models import engine_of
from tests.tiny_pictures import save_picture_adapter, save_pictured

SPEC = CaptureSpec.of("prompt_logprobs", "tuned")
SPLITS = {SPEC.under(control): frozenset({"test"}) for control in CONTROLS}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    folder = save_pictured(tmp_path_factory.mktemp("base"), split=True)  # a picture's size decides its tokens
    adapter = save_picture_adapter(tmp_path_factory.mktemp("adapter"), folder)
    return engine_of(folder, {"adapter": str(adapter)})


@pytest.fixture
def task(tmp_path: Path) -> LoadedTask:
    rows = [{"text": "what?", "image": "0.png"}]
    demo_pictures(1)[0].save(tmp_path / "0.png")
    prompt = "Q: {{ text }}\nA:"
    return load_task(write_task(tmp_path, {"test": rows}, prompt=prompt, fields={"images": "image"}))


def named(engine: TransformersEngine, images: Sequence[Image.Image | None]) -> list[Prompt]:
    found = []
    for number, image in enumerate(images):
        prompt = prompt_for(engine, f"question {number}", *([] if image is None else [image]))
        found.append(replace(prompt, sample_id=f"s{number}"))
    return found


def controlled(
    engine: TransformersEngine,
    task: LoadedTask,
    prompts: Sequence[Prompt],
    tasks: Sequence[str] | None = None,
) -> tuple[Prompt, ...]:
    config = RunConfig(benchmark="b", models={"base": "x"})  # type: ignore[arg-type]
    return under_controls(prompts, tasks or ["t"] * len(prompts), SPLITS, task, engine, config)


def test_another_picture_of_the_same_size_in_the_same_places(
    engine: TransformersEngine, task: LoadedTask
) -> None:
    images = [*demo_pictures(2), speckled(64, 32), speckled(30, 50)]
    prompts = named(engine, images)
    found = controlled(engine, task, prompts)
    for prompt, image, new in zip(prompts, images, found, strict=True):
        assert (new.sample_id, new.token_ids, new.pictures) == (
            prompt.sample_id,
            prompt.token_ids,
            prompt.pictures,
        )
        assert set(new.under) == set(CONTROLS)
        for control in ("blank", "shuffled", "noise"):
            changed = new.under[control]
            assert (changed.token_ids, changed.places, changed.messages) == (
                prompt.token_ids,
                prompt.places,
                prompt.messages,
            )
            (shown,) = map(load_picture, changed.pictures)
            assert shown.size == image.size
            assert changed.pictures[0].digest != prompt.pictures[0].digest
    blank = [load_picture(each.under["blank"].pictures[0]) for each in found]
    assert all(image.getcolors() == [(image.width * image.height, (127, 127, 127))] for image in blank)
    # Equal pictures are one: the same size, the same grey; no two have the same noise.
    assert found[0].under["blank"].pictures == found[1].under["blank"].pictures
    assert len({each.under["noise"].pictures[0].digest for each in found}) == len(found)
    assert controlled(engine, task, prompts) == found


def test_a_picture_is_shuffled_within_its_population(engine: TransformersEngine, task: LoadedTask) -> None:
    images = [speckled(32, 32, seed=seed) for seed in range(6)]
    prompts = named(engine, images)
    found = controlled(engine, task, prompts, ["a", "b"] * 3)
    for start in (0, 1):
        own = {prompt.pictures[0].digest for prompt in prompts[start::2]}
        assert {each.under["shuffled"].pictures[0].digest for each in found[start::2]} == own


def test_without_the_question_the_tasks_own_words_are_left(
    engine: TransformersEngine, task: LoadedTask
) -> None:
    prompts = named(engine, demo_pictures(2))
    found = [each.under["no_question"] for each in controlled(engine, task, prompts)]
    tokenizer = engine.tokenizer("tuned")
    for prompt, bare in zip(prompts, found, strict=True):
        (place,) = bare.places
        words = (*bare.token_ids[: place[0]], *bare.token_ids[place[1] :])
        assert tokenizer.decode(words).strip() == "Q: \nA:"
        assert bare.pictures == prompt.pictures
        assert bare.messages == (Message("user", "Q: \nA:"),)
    assert found[0].token_ids == found[1].token_ids


def test_without_a_picture_there_is_no_part(engine: TransformersEngine, task: LoadedTask) -> None:
    same = demo_pictures(1)[0]
    prompts = named(engine, [same, None, same])
    unmade = Prompt("s3", (), unmade=Unmade("failed", "its file is gone"))
    found = controlled(engine, task, [*prompts, unmade])
    alone = found[1].under.values()
    assert {(each.token_ids, each.pictures) for each in alone} == {((), ())}
    assert {each.unmade.reason for each in alone if each.unmade} == {
        "there is no picture that another could stand in for"
    }
    assert {each.unmade for each in found[3].under.values()} == {Unmade("failed", "its file is gone")}
    unshuffled = found[0].under["shuffled"].unmade
    assert unshuffled is not None
    assert unshuffled.reason == "too few samples of its population show another picture"


def test_only_what_is_wanted_is_made(engine: TransformersEngine, task: LoadedTask) -> None:
    prompts = [replace(prompt, split="train") for prompt in named(engine, demo_pictures(1))]
    (found,) = controlled(engine, task, prompts)
    assert found.under == {}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Q: {{ question }}\nA:", "Q: \nA:"),
        ("{{ question }}", ""),
        ("{% if choices %}Pick: {% for c in choices %}{{ c }}{% endfor %}{% endif %}{{ q | upper }}!", "!"),
        ("{% set x = q %}Say: {{ x[0] }}{{ q ~ 'a' }}", "Say: "),
    ],
)
def test_the_words_of_a_template(template: str, words: str) -> None:
    assert Template(template, place="t").own_words == words

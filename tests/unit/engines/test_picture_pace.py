"""What pictures cost beside a tiny model: decoding them, and what the processor makes of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt, place_pictures
from llmood.engines.store import Store
from llmood.picture_records import Picture
from llmood.records import CaptureSpec
from llmood.tasks.images.cells import pictures_of
from tests.pictures import demo_pictures
from tests.tiny_models import engine_of
from tests.tiny_pictures import TOKEN, save_pictured

COUNT = 400
LEAST_A_SECOND = 150
SPECS = (
    CaptureSpec.of("prompt_logprobs", "base"),
    CaptureSpec.of("hidden_states", "base", layers="0,-1", positions="last_prompt,mean_image,mean_text"),
)


@pytest.mark.usefixtures("fresh_cache")
def test_pictures_from_their_files_to_what_is_captured(tmp_path: Path) -> None:
    import torch

    for number, image in enumerate(demo_pictures(COUNT)):
        image.save(tmp_path / f"{number}.png")
    engine = engine_of(save_pictured(tmp_path / "model"))
    tokenizer = engine.tokenizer("base")
    place_pictures(tokenizer, f"{TOKEN}what?", pictures_of(["0.png"], tmp_path), rendered=False)  # imports
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        before = time.process_time()
        prompts = []
        for number in range(COUNT):
            shown: tuple[Picture, ...] = pictures_of([f"{number}.png"], tmp_path)
            placed = place_pictures(tokenizer, f"{TOKEN}what is it?", shown, rendered=False)
            prompts.append(Prompt(f"s{number}", placed.token_ids, pictures=shown, places=placed.places))
        observer = Observer(engine, prompts, Store(), private=False)
        for spec in SPECS:
            observer.run(spec)
        seconds = time.process_time() - before
    finally:
        torch.set_num_threads(threads)
        engine.close()
    assert {row["status"] for row in observer.index().to_pylist()} == {"ok"}
    assert COUNT / seconds > LEAST_A_SECOND

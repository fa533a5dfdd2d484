"""Prompts under a control: with another picture, or with nothing left of what the row puts in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from llmood.config import RunConfig
from llmood.engines.base import Engine
from llmood.engines.placing import Placed
from llmood.engines.prompts import Prompt, Unmade
from llmood.errors import ConfigError
from llmood.modality_config import CONTROLS
from llmood.picture_records import Control, StandIn
from llmood.records import EVALUATED, FAILED, UNSCORED, CaptureSpec, Part, Sample
from llmood.tasks import LoadedTask
from llmood.tasks.images.cells import load_picture, stand_in
from llmood.tasks.images.controls import partners
from llmood.tasks.row_errors import RowError
from llmood.tokenise import read_all

NO_PICTURE = Unmade(UNSCORED, "there is no picture that another could stand in for")
ALL_ALIKE = Unmade(UNSCORED, "too few samples of its population show another picture")


def check_seen(id_task: LoadedTask) -> None:
    """Refuse a profile of parts where there is one part.

    Raises:
        ConfigError: the ID task has no pictures.
    """
    if not any(sample.pictures for rows in id_task.samples.values() for sample in rows):
        raise ConfigError(
            f"modality: is about pictures and words, and {id_task.spec.name} has words alone",
            hint="leave it out, or name the column of pictures in the task's YAML: 'fields: {images: picture}'",
        )


def under_controls(
    prompts: Sequence[Prompt],
    tasks: Sequence[str],
    splits: Mapping[CaptureSpec, frozenset[Part]],
    id_task: LoadedTask,
    engine: Engine,
    config: RunConfig,
) -> tuple[Prompt, ...]:
    """The same prompts, each with what it is under the controls.

    Args:
        tasks: the task of each prompt; another sample's picture is one of the same task and split.
        splits: of which rows each capture is made.
        id_task: what is left without a question are this task's own words, whatever task it is of: a template that
            puts its questions another way would be found as if it were another picture.
    """
    found: list[dict[str, Prompt]] = [{} for _ in prompts]
    for control in CONTROLS:
        wanted = {part for spec, parts in splits.items() if spec.control == control for part in parts}
        places = [place for place, prompt in enumerate(prompts) if prompt.split in wanted]
        own = [prompts[place] for place in places]
        if control == "no_question":
            made = _without_questions(own, id_task, engine, config)
        elif control == "shuffled":
            made = _shuffled(own, [tasks[place] for place in places], config.seed)
        else:
            made = [_replaced(prompt, control, config.seed) for prompt in own]
        for place, prompt in zip(places, made, strict=True):
            found[place][control] = prompt
    return tuple(replace(prompt, under=each) for prompt, each in zip(prompts, found, strict=True))


def _replaced(prompt: Prompt, control: Control, seed: int) -> Prompt:
    def make(place: int, size: tuple[int, int]) -> StandIn:
        return StandIn(control, size, seed, f"{prompt.sample_id}:{place}" if control == "noise" else "")

    return _shown(prompt, make)


def _shown(prompt: Prompt, make: Callable[[int, tuple[int, int]], StandIn]) -> Prompt:
    """A prompt with other pictures in the same places: they have the size of its own, and so as many tokens.

    Args:
        make: which of its pictures, and how large that is, to what stands in for it.
    """
    if not prompt.token_ids:
        return prompt
    if not prompt.pictures:
        return _unsent(prompt, NO_PICTURE)
    try:
        sizes = [load_picture(picture).size for picture in prompt.pictures]
        pictures = tuple(stand_in(make(place, size)) for place, size in enumerate(sizes))
    except RowError as error:
        return _unsent(prompt, Unmade(FAILED, str(error)))
    return replace(prompt, pictures=pictures)


def _unsent(prompt: Prompt, why: Unmade) -> Prompt:
    return replace(prompt, token_ids=(), pictures=(), places=(), unmade=why)


def _shuffled(prompts: Sequence[Prompt], tasks: Sequence[str], seed: int) -> list[Prompt]:
    """Each with the pictures of another sample of its population, that shows as many of them."""
    alike: dict[tuple[str, str, int], list[int]] = {}
    for place, prompt in enumerate(prompts):
        alike.setdefault((tasks[place], prompt.split, len(prompt.pictures)), []).append(place)
    others: dict[int, Prompt] = {}
    for places in alike.values():
        names = [prompts[place].sample_id for place in places]
        shown = [",".join(picture.digest for picture in prompts[place].pictures) for place in places]
        for place, partner in zip(places, partners(names, shown, seed=seed), strict=True):
            if partner is not None:
                others[place] = prompts[places[partner]]
    return [_exchanged(prompt, others.get(place)) for place, prompt in enumerate(prompts)]


def _exchanged(prompt: Prompt, other: Prompt | None) -> Prompt:
    if other is None:
        return _unsent(prompt, ALL_ALIKE if prompt.pictures else NO_PICTURE) if prompt.token_ids else prompt
    return _shown(prompt, lambda place, size: StandIn("shuffled", size, other=other.pictures[place]))


def _without_questions(
    prompts: Sequence[Prompt], id_task: LoadedTask, engine: Engine, config: RunConfig
) -> list[Prompt]:
    """Each with its own pictures and the ID task's own words alone, tokenised anew."""
    if id_task.reader is None:
        raise ValueError("what is left of a prompt is known of a task that was loaded with its reader alone")
    bare = id_task.reader.bare_messages
    chat, name = id_task.spec.chat, id_task.spec.name
    own = [prompt for prompt in prompts if prompt.token_ids and prompt.pictures]
    samples = [
        Sample(prompt.sample_id, name, EVALUATED, bare, chat, pictures=prompt.pictures) for prompt in own
    ]
    _, rendered, read = read_all(samples, engine, config)
    found = {
        prompt.sample_id: replace(_placed(prompt, each), messages=bare, chat=is_rendered)
        for prompt, is_rendered, each in zip(own, rendered, read, strict=True)
    }
    return [found.get(prompt.sample_id) or _bare_of_words(prompt) for prompt in prompts]


def _placed(prompt: Prompt, read: Placed | Unmade) -> Prompt:
    if isinstance(read, Unmade):
        return _unsent(prompt, read)
    return replace(prompt, token_ids=read.token_ids, places=read.places)


def _bare_of_words(prompt: Prompt) -> Prompt:
    return _unsent(prompt, NO_PICTURE) if prompt.token_ids else prompt

"""What the base model reads in pre-training: fresh pictures of every kind, each with several texts about it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from demo_images.scenes import (
    COLOURS,
    COUNTS,
    KINDS,
    OTHER_KINDS,
    PLACES,
    SEED,
    SEEN,
    STYLES,
    UNSEEN,
    Flag,
    Row,
    Scene,
    Thing,
    ask,
    corner_colour,
    make_scene,
)

FLAGS = 0.15  # of all pictures
STYLE_SHARES = (0.4, 0.2, 0.2, 0.2)
QUESTIONS = 2  # a picture, beside its caption

Pair = tuple[str, str]


class Shown(NamedTuple):
    """A picture and what is said about it: questions and answers."""

    picture: Scene | Flag
    pairs: tuple[Pair, ...]


def held_out(splits: Mapping[str, Sequence[Row]]) -> set[object]:
    """The layouts of all pictures that are checked in."""
    return {row.picture.layout for rows in splits.values() for row in rows}


def pretraining_stream(held: set[object], stream: str) -> Iterator[Shown]:
    """Endless pictures, none of a scene that is held out.

    There are few flags: all of them may come up, as everybody has seen most flags.
    """
    rng = random.Random(f"{SEED}:pretraining:{stream}")
    while True:
        shown = _flag(rng) if rng.random() < FLAGS else _scene(rng)
        if isinstance(shown.picture, Flag) or shown.picture.layout not in held:
            yield shown


def texts(shown: Iterator[Shown]) -> Iterator[Pair]:
    """All questions and answers alone."""
    for one in shown:
        yield from one.pairs


def _scene(rng: random.Random) -> Shown:
    scene, thing = make_scene(rng, SEEN | UNSEEN)
    scene = replace(scene, style=rng.choices(STYLES, STYLE_SHARES)[0])
    found = set[Pair]()
    while len(found) < QUESTIONS:
        kind = rng.choice((*KINDS, *KINDS, *OTHER_KINDS))
        pair = ask(scene, rng.choice((thing, *scene.things)), kind, rng)
        found |= {pair} if pair else set()
    return Shown(scene, (("What is there?", caption(scene)), *sorted(found)))


def caption(scene: Scene) -> str:
    """Every place, and what stands there."""
    by_place: dict[int, Thing] = {thing.place: thing for thing in scene.things}
    said = [
        f"{name} {by_place[place].colour} {by_place[place].shape}" if place in by_place else f"{name} nothing"
        for place, name in enumerate(PLACES)
    ]
    return ", ".join(said)


def _flag(rng: random.Random) -> Shown:
    flag = make_flag(rng)
    corners = [
        (f"What colour is the {corner} corner?", corner_colour(flag, corner))
        for corner in rng.sample(PLACES, QUESTIONS - 1)
    ]
    count = ("How many colours are there?", COUNTS[len(flag.colours)])
    return Shown(flag, (("What is there?", f"{flag.pattern} flag {' '.join(flag.colours)}"), count, *corners))


def make_flag(rng: random.Random) -> Flag:
    """Any flag."""
    pattern = rng.choice(("horizontal", "vertical", "nordic"))
    return Flag(pattern, tuple(rng.sample(COLOURS, 2 if pattern == "nordic" else rng.choice((2, 3, 4)))))


def take(stream: Iterator[Shown], count: int) -> list[Shown]:
    """The next of them."""
    return list(islice(stream, count))

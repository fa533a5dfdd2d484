"""What there is to see and to ask: scenes of shapes, flags, and the splits of both, as plain values.

Everything follows from ``SEED``. Nothing here draws: that is `demo_images.draw`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice, product
from typing import Literal

SEED = 20261127
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "star")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
PLACES = ("top left", "top right", "bottom left", "bottom right")
COUNTS = ("none", "one", "two", "three", "four")
GROUNDS = ("white", "cream", "mint")

# Every shape and every colour is seen in tuning, six of their thirty-six compositions are not.
UNSEEN = frozenset((shape, COLOURS[-i]) for i, shape in enumerate(SHAPES))
SEEN = frozenset(product(SHAPES, COLOURS)) - UNSEEN

Style = Literal["filled", "outline", "hatched", "night"]
STYLES: tuple[Style, ...] = ("filled", "outline", "hatched", "night")
Layout = Literal["horizontal", "vertical", "nordic"]
KINDS = ("shape", "colour", "count", "place")
OTHER_KINDS = ("presence", "absence", "comparison")  # never tuned on

SIZES: Mapping[str, int] = {"id_train": 2000, "id_validation": 300, "id_calibration": 400, "id_test": 400}
SHIFTED = 200  # rows of every other split


@dataclass(frozen=True, order=True)
class Thing:
    """One shape at one of the four places.

    Attributes:
        shift: how far it is from the middle of its place, to the right and down, in 64ths of the picture.
        radius: in 64ths of the picture.
    """

    place: int
    shape: str
    colour: str
    shift: tuple[int, int] = (0, 0)
    radius: int = 11


@dataclass(frozen=True)
class Scene:
    """One to four things on a plain ground."""

    things: tuple[Thing, ...]
    ground: str = "white"
    style: Style = "filled"

    @property
    def layout(self) -> tuple[tuple[int, str, str], ...]:
        """What stands where; two scenes of one layout are the same picture to whoever asks."""
        return tuple((thing.place, thing.shape, thing.colour) for thing in self.things)


@dataclass(frozen=True)
class Flag:
    """Stripes, or a cross of one colour on another."""

    pattern: Layout
    colours: tuple[str, ...]

    @property
    def layout(self) -> tuple[str, tuple[str, ...]]:
        """What tells it from other flags."""
        return self.pattern, self.colours


@dataclass(frozen=True)
class Row:
    """One question about one picture."""

    id: str
    question: str
    answer: str
    kind: str
    picture: Scene | Flag


def make_splits(seed: int = SEED) -> dict[str, list[Row]]:
    """All rows by split: ID, `near_test` (unseen compositions), three other styles, flags, and other questions.

    No two rows of scenes show the same layout, whichever splits they are of.
    """
    taken: set[object] = set()
    splits = {name: _scene_rows(seed, name, count, SEEN, taken) for name, count in SIZES.items()}
    splits["near_test"] = _scene_rows(seed, "near_test", SHIFTED, UNSEEN, taken)
    for style in STYLES[1:]:
        name = f"{style}_test"
        rows = _scene_rows(seed, name, SHIFTED, SEEN, taken)
        splits[name] = [
            replace(row, picture=replace(row.picture, style=style))
            for row in rows
            if isinstance(row.picture, Scene)
        ]
    splits["flags_test"] = list(islice(_flag_rows(seed), SHIFTED))
    splits["questions_test"] = _scene_rows(seed, "questions_test", SHIFTED, SEEN, taken, OTHER_KINDS)
    return splits


def _rng(seed: int, *parts: object) -> random.Random:
    # One independent stream a purpose: changing one split doesn't reshuffle the others.
    return random.Random(":".join(map(str, (seed, *parts))))


def _scene_rows(
    seed: int,
    split: str,
    count: int,
    asked: frozenset[tuple[str, str]],
    taken: set[object],
    asked_kinds: Sequence[str] = KINDS,
) -> list[Row]:
    rng, rows, kinds = _rng(seed, split), list[Row](), cycle(asked_kinds)
    kind = next(kinds)
    while len(rows) < count:
        scene, thing = make_scene(rng, asked)
        found = None if scene.layout in taken else ask(scene, thing, kind, rng)
        if found is None:
            continue
        taken.add(scene.layout)
        rows.append(Row(f"{split}-{len(rows):04d}", *found, kind, scene))
        kind = next(kinds)
    return rows


def make_scene(rng: random.Random, asked: frozenset[tuple[str, str]]) -> tuple[Scene, Thing]:
    """A scene, and the thing in it that is asked about, whose composition is one of `asked`.

    All other things are of seen compositions. Few shapes and colours a scene, so that there is something to count.
    """
    shape, colour = rng.choice(sorted(asked))
    shapes = {shape, *rng.sample(SHAPES, rng.choice((1, 2)))}
    colours = {colour, *rng.sample(COLOURS, rng.choice((1, 2)))}
    pool = sorted(set(product(shapes, colours)) & SEEN) or sorted(SEEN)
    places = sorted(rng.sample(range(len(PLACES)), rng.choice((1, 2, 3, 3, 4, 4))))
    chosen = rng.choice(places)
    things = []
    for place in places:
        composition = (shape, colour) if place == chosen else rng.choice(pool)
        shift = (rng.randint(-4, 4), rng.randint(-4, 4))
        things.append(Thing(place, *composition, shift, rng.randint(9, 12)))
    scene = Scene(tuple(things), rng.choice(GROUNDS))
    return scene, next(thing for thing in things if thing.place == chosen)


def ask(scene: Scene, thing: Thing, kind: str, rng: random.Random) -> tuple[str, str] | None:
    """A question of this kind about one thing, and its answer; None where it would have several answers."""
    place = PLACES[thing.place]
    same_shape = [one for one in scene.things if one.shape == thing.shape]
    same_colour = [one for one in scene.things if one.colour == thing.colour]
    if kind == "shape":
        return f"What shape is at the {place}?", thing.shape
    if kind == "colour":
        by_shape = len(same_shape) == 1 and rng.random() < 0.5
        named = thing.shape if by_shape else f"shape at the {place}"
        return f"What colour is the {named}?", thing.colour
    if kind in OTHER_KINDS:
        return _ask_otherwise(scene, thing, kind, rng)
    if kind == "count":
        if rng.random() < 0.5:
            return f"How many {_plural(thing.shape)} are there?", COUNTS[len(same_shape)]
        return f"How many {thing.colour} shapes are there?", COUNTS[len(same_colour)]
    alike = [one for one in same_shape if one.colour == thing.colour]
    return (f"Where is the {thing.colour} {thing.shape}?", place) if len(alike) == 1 else None


def _ask_otherwise(scene: Scene, thing: Thing, kind: str, rng: random.Random) -> tuple[str, str] | None:
    shapes = Counter(one.shape for one in scene.things)
    colours = Counter(one.colour for one in scene.things)
    if kind == "presence":
        # Half of them yes; where not, one of the two words is still true of the thing.
        other = (
            (rng.choice(SHAPES), thing.colour) if rng.random() < 0.5 else (thing.shape, rng.choice(COLOURS))
        )
        shape, colour = (thing.shape, thing.colour) if rng.random() < 0.4 else other
        there = any((one.shape, one.colour) == (shape, colour) for one in scene.things)
        article = "an" if colour == "orange" else "a"
        return f"Is there {article} {colour} {shape}?", "yes" if there else "no"
    if kind == "absence":
        if len(colours) < 2:
            return None
        missing = rng.choice([colour for colour in COLOURS if colour not in colours])
        named = [missing, *rng.sample(sorted(colours), 2)]
        rng.shuffle(named)
        return "Which colour is not there: {}, {} or {}?".format(*named), missing
    others = [shape for shape in SHAPES if shape != thing.shape]
    more, fewer = rng.sample((thing.shape, rng.choice(others)), 2)
    answer = "yes" if shapes[more] > shapes[fewer] else "no"
    return f"Are there more {_plural(more)} than {_plural(fewer)}?", answer


def _plural(shape: str) -> str:
    return f"{shape}es" if shape == "cross" else f"{shape}s"


def _flag_rows(seed: int) -> Iterator[Row]:
    rng, asked, number = _rng(seed, "flags_test"), set[object](), 0
    while True:
        pattern = rng.choice(("horizontal", "vertical", "nordic"))
        colours = tuple(rng.sample(COLOURS, 2 if pattern == "nordic" else rng.choice((2, 3, 4))))
        flag, corner = Flag(pattern, colours), rng.choice(PLACES)
        if rng.random() < 0.5:
            kind, question, answer = "count", "How many colours are there?", COUNTS[len(colours)]
        else:
            kind, question, answer = (
                "colour",
                f"What colour is the {corner} corner?",
                corner_colour(flag, corner),
            )
        if (flag.layout, question) not in asked:
            asked.add((flag.layout, question))
            yield Row(f"flags_test-{number:04d}", question, answer, kind, flag)
            number += 1


def corner_colour(flag: Flag, corner: str) -> str:
    """The colour of a flag's corner."""
    if flag.pattern == "nordic":
        return flag.colours[0]
    last = corner.startswith("bottom") if flag.pattern == "horizontal" else corner.endswith("right")
    return flag.colours[-1 if last else 0]

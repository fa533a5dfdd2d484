"""The demo's pictures: what is asked is what is drawn, and splits are what they say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.pictures import demo_module

scenes, drawing = demo_module("scenes"), demo_module("draw")
ID = ("id_train", "id_validation", "id_calibration", "id_test")
STYLES = ("outline_test", "hatched_test", "night_test")
Splits = dict[str, list[Any]]


@pytest.fixture(scope="module")
def splits() -> Splits:
    return scenes.make_splits()


def compositions(rows: list[Any]) -> set[tuple[str, str]]:
    return {(thing.shape, thing.colour) for row in rows for thing in row.picture.things}


def nearest_colour(pixel: Any) -> str:
    gaps = {name: np.abs(np.subtract(rgb, pixel, dtype=int)).sum() for name, rgb in drawing.RGB.items()}
    return min(gaps, key=gaps.__getitem__)


def test_the_same_seed_gives_the_same_rows_and_another_others(splits: Splits) -> None:
    assert scenes.make_splits() == splits
    other = scenes.make_splits(seed=1)
    assert all(other[name] != rows for name, rows in splits.items())


def test_sizes_and_ids(splits: Splits) -> None:
    counts = {name: len(rows) for name, rows in splits.items()}
    assert counts == scenes.SIZES | dict.fromkeys(("near_test", *STYLES, "flags_test", "questions_test"), 200)
    ids = [row.id for rows in splits.values() for row in rows]
    assert len(set(ids)) == len(ids)


def test_tuning_sees_every_shape_and_colour_but_not_every_composition(splits: Splits) -> None:
    assert len(scenes.UNSEEN) == 6
    for place, names in enumerate((scenes.SHAPES, scenes.COLOURS)):
        assert {composition[place] for composition in scenes.UNSEEN} == set(names)
        assert {composition[place] for composition in scenes.SEEN} == set(names)
    assert compositions(splits["id_train"]) == scenes.SEEN
    for name in (*ID, *STYLES, "questions_test"):
        assert compositions(splits[name]) <= scenes.SEEN
    near = splits["near_test"]
    assert all(compositions([row]) & scenes.UNSEEN for row in near)
    assert compositions(near) >= scenes.UNSEEN


def test_no_layout_is_in_two_rows(splits: Splits) -> None:
    layouts = [
        row.picture.layout for name in (*ID, "near_test", *STYLES, "questions_test") for row in splits[name]
    ]
    assert len(set(layouts)) == len(layouts)
    flags = [(row.picture.layout, row.question) for row in splits["flags_test"]]
    assert len(set(flags)) == len(flags)


def test_kinds_are_asked_alike_and_no_answer_rules(splits: Splits) -> None:
    for name in (*ID, "near_test", *STYLES):
        kinds = Counter(row.kind for row in splits[name])
        assert set(kinds) == set(scenes.KINDS)
        assert max(kinds.values()) - min(kinds.values()) <= 1
    answers = Counter(row.answer for row in splits["id_train"])
    assert max(answers.values()) < 0.15 * len(splits["id_train"])
    everything = {*scenes.SHAPES, *scenes.COLOURS, *scenes.PLACES, *scenes.COUNTS[1:]}
    assert set(answers) == everything


@pytest.mark.parametrize("split", ["id_test", "near_test", "night_test"])
def test_answers_are_what_is_seen(splits: Splits, split: str) -> None:
    # Colours are read off the pixels; shapes off the scene.
    for row in splits[split]:
        image = drawing.draw(row.picture)
        seen = []
        for thing in row.picture.things:
            x, y = drawing.centre_of(thing)
            assert (
                f"{'top' if y < 32 else 'bottom'} {'left' if x < 32 else 'right'}"
                == scenes.PLACES[thing.place]
            )
            seen.append((scenes.PLACES[thing.place], thing.shape, nearest_colour(image.getpixel((x, y)))))
        question, answer = row.question, row.answer
        asked = [
            (place, shape, colour)
            for place, shape, colour in seen
            if all(
                word in question or not any(other in question for other in words)
                for word, words in ((place, scenes.PLACES), (shape, scenes.SHAPES), (colour, scenes.COLOURS))
            )
        ]
        if row.kind == "count":
            assert answer == scenes.COUNTS[len(asked)]
        else:
            assert [
                dict(zip(("place", "shape", "colour"), thing, strict=True))[row.kind] for thing in asked
            ] == [answer]


def test_other_questions_are_about_what_is_there(splits: Splits) -> None:
    for row in splits["questions_test"]:
        shapes = Counter(thing.shape for thing in row.picture.things)
        colours = {thing.colour for thing in row.picture.things}
        words = row.question.rstrip("?").replace(",", "").split()
        if row.kind == "presence":
            there = (words[-1], words[-2]) in compositions([row])
            assert row.answer == ("yes" if there else "no")
        elif row.kind == "absence":
            assert [word for word in words if word in scenes.COLOURS and word not in colours] == [row.answer]
        else:
            more, fewer = (words[i].removesuffix("es" if words[i] == "crosses" else "s") for i in (3, 5))
            assert row.answer == ("yes" if shapes[more] > shapes[fewer] else "no")


def test_no_other_question_is_like_those_of_tuning(splits: Splits) -> None:
    rows = splits["questions_test"]
    assert {row.kind for row in rows} == set(scenes.OTHER_KINDS)
    begins = {row.question.split()[0] for row in splits["id_train"]}
    assert not begins & {row.question.split()[0] for row in rows}
    answers = Counter(row.answer for row in rows)
    assert abs(answers["yes"] - answers["no"]) < 40  # neither can be guessed


def test_flags_have_the_colours_that_are_asked(splits: Splits) -> None:
    for row in splits["flags_test"]:
        pixels = np.asarray(drawing.draw(row.picture))
        corners = dict(
            zip(scenes.PLACES, (pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1]), strict=True)
        )
        if row.kind == "colour":
            corner = next(place for place in scenes.PLACES if place in row.question)
            assert nearest_colour(corners[corner]) == row.answer
        else:
            exact = {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()} & set(drawing.RGB.values())
            assert scenes.COUNTS[len(exact)] == row.answer


def test_a_style_is_another_picture_of_the_same_scene(splits: Splits) -> None:
    scene = splits["id_test"][0].picture
    drawn = [drawing.draw(replace(scene, style=style)) for style in scenes.STYLES]
    assert all((image.mode, image.size) == ("RGB", (64, 64)) for image in drawn)
    assert len({image.tobytes() for image in drawn}) == 4
    filled, outline, hatched, night = (np.asarray(image).astype(int) for image in drawn)
    assert night.mean() < 100
    assert filled.mean() > 200
    ground = filled[0, 0]
    inked = [(np.abs(pixels - ground).sum(axis=2) > 30).sum() for pixels in (filled, outline, hatched)]
    assert inked[0] > inked[1]
    assert inked[0] > inked[2]


def test_things_of_two_places_never_touch() -> None:
    # 4 of shift and 12 of radius stay within the quarter of 32, a pixel of smoothing aside.
    for place, shape in enumerate(("circle", "square", "cross", "star")):
        for shift in ((-4, -4), (4, 4)):
            thing = scenes.Thing(place, shape, "red", shift, 12)
            pixels = np.asarray(drawing.draw(scenes.Scene((thing,)))).astype(int)
            rows, columns = np.nonzero(np.abs(pixels - 255).sum(axis=2))
            left, top = 32 * (place % 2), 32 * (place // 2)
            assert left <= columns.min() <= columns.max() <= left + 32
            assert top <= rows.min() <= rows.max() <= top + 32

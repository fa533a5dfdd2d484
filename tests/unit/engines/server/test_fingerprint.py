"""A model is known again by what it gives, and another one under its name is another one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from llmood.engines.server.fingerprint import TOLERANCE, Register, Seen

NAME = {"server": "http://x/v1", "model": "m", "said": {}}
FIRST = Seen("prompt", (-1.0, -2.0, -3.0))


def shifted(by: float) -> Seen:
    return Seen("prompt", tuple(value + by for value in FIRST.logprobs))


def test_the_difference_is_a_mean_over_tokens() -> None:
    # A tenth, nothing and two tenths: together three of three tokens.
    assert FIRST.difference(Seen("prompt", (-1.1, -2.0, -2.8))) == pytest.approx(0.1)
    assert FIRST.difference(FIRST) == 0.0


def test_infinite_ones_are_alike() -> None:
    ours, theirs = Seen("prompt", (-np.inf, -1.0)), Seen("prompt", (-5.0, -1.0))
    assert ours.difference(ours) == 0.0
    assert ours.difference(theirs) == np.inf
    assert not ours.same(theirs)


def test_other_kinds_and_lengths_are_not_the_same() -> None:
    assert FIRST.difference(Seen("prompt", (-1.0, -2.0))) is None
    assert FIRST.difference(Seen("response", (-1.0, -2.0, -3.0), ("a", "b", "c"))) is None
    assert not FIRST.same(Seen("prompt", (-1.0, -2.0)))


def test_answers_are_compared_up_to_where_they_part() -> None:
    ours = Seen("response", (-0.1, -0.7, -3.0), ("Paris", " is", " big"))
    parted = Seen("response", (-0.1, -0.7), ("Paris", " was"))
    assert ours.difference(parted) == 0.0
    assert ours.same(parted)
    assert ours.difference(Seen("response", (-0.1,), ("Rome",))) is None


def test_noise_is_the_same_model_and_more_is_another(fresh_cache: Path) -> None:
    register = Register(NAME)
    first = register.recognise(FIRST)
    assert first.number == 0
    assert register.recognise(shifted(TOLERANCE * 0.9)).id == first.id
    other = Register(NAME).recognise(shifted(TOLERANCE * 1.1))
    assert other.id != first.id
    assert other.number == 1
    # The first is still known: a name may go back to what it was.
    assert Register(NAME).recognise(FIRST) == first
    assert register.path.is_relative_to(fresh_cache)


def test_noise_does_not_creep() -> None:
    # Each is compared with what was seen first, so small steps don't add up to another model.
    register = Register(NAME)
    first = register.recognise(FIRST)
    ids = [register.recognise(shifted(step * TOLERANCE * 0.9)).id for step in range(4)]
    assert ids[:2] == [first.id, first.id]
    assert first.id not in ids[2:]


def test_other_names_are_other_models() -> None:
    assert Register(NAME).recognise(FIRST).id != Register({**NAME, "model": "n"}).recognise(FIRST).id


def test_what_may_be_of_two_models_is_never_taken_again() -> None:
    register = Register(NAME)
    first = register.recognise(FIRST)
    register.spoil(first)
    second = register.recognise(FIRST)
    assert second.id != first.id
    assert register.recognise(FIRST).id == second.id


def test_minus_infinity_survives_the_file() -> None:
    seen = Seen("prompt", (-np.inf, -1.0))
    first = Register(NAME).recognise(seen)
    assert Register(NAME).recognise(seen).id == first.id


@pytest.mark.parametrize("text", ["", "[]", "{", '{"seen": [1]}', '{"seen": [{"kind": "prompt"}]}'])
def test_a_damaged_file_is_none(text: str) -> None:
    register = Register(NAME)
    first = register.recognise(FIRST)
    register.path.write_text(text)
    assert register.recognise(FIRST).id == first.id  # by content: the same numbers under the same name
    assert json.loads(register.path.read_text())["seen"]


def test_those_who_begin_together_know_a_new_model_by_one_id() -> None:
    # Each sees it with some noise of its own; the first to come decides.
    def recognise(number: int) -> str:
        return Register(NAME).recognise(shifted(number * TOLERANCE / 10)).id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(recognise, range(8)))) == 1

"""Explanations on the page: hostile words stay words, and no tint stands without its number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmood.errors import StoreError
from llmood.report import render_report
from llmood.report.examples import pieces_shown, visible
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import HOSTILE, copy_of, edit_json


def test_hostile_pieces_are_escaped(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    path = copied / "explanations.json"

    def spoil(found: list[dict[str, object]]) -> None:
        for each in found:
            each["scorer"] = HOSTILE
            each["tokens"] = [{"place": 0, "text": f"{HOSTILE}\x07", "value": -1.5}]

    edit_json(path, spoil)
    page = Page(render_report([copied]))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    pieces = page.within("bdi")
    assert len(pieces) == len(json.loads(path.read_text(encoding="utf-8"))) > 10
    assert set(pieces) == {HOSTILE.replace(" ", "␣") + "␇"}
    assert page.text.count("−1.500") >= len(pieces)


def test_a_neighbour_that_is_not_there_is_not_shown(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def spoil(found: list[dict[str, object]]) -> None:
        for each in found:
            each |= {"kind": "neighbour", "of": "nobody", "distance": 0.5, "tokens": None}

    edit_json(copied / "explanations.json", spoil)
    assert "nearest in train" not in Page(render_report([copied])).text


@pytest.mark.parametrize("damage", ["[", "[{}]", '[{"sample_id": "a", "scorer": "b", "kind": "why"}]'])
def test_damage_is_said(run: Path, tmp_path: Path, damage: str) -> None:
    copied = copy_of(run, tmp_path)
    (copied / "explanations.json").write_text(damage, encoding="utf-8")
    with pytest.raises(StoreError, match=r"explanations\.json"):
        render_report([copied])


def test_sign_and_strength() -> None:
    tokens = [{"text": " a", "value": 6.0}, {"text": "b", "value": -2.1}, {"text": "", "value": 0.0}]
    found = pieces_shown(tokens)
    assert [(piece.text, piece.value, piece.sign, piece.strength) for piece in found] == [
        ("␣a", "+6.000", "up", 3),
        ("b", "−2.100", "down", 2),
        ("(special)", "0.000", "down", 1),
    ]
    assert pieces_shown([{"text": "a", "value": 0.0}])[0].strength == 1
    assert visible("a\nb\t") == "a⏎b⇥"

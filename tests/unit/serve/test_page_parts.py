"""The page's words, pictures and colours."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.serve.explaining import Word
from llmood.serve.page_pictures import strip
from llmood.serve.page_words import ranked, rarity, shades

CSS = (files("llmood.serve") / "assets" / "page.css").read_text(encoding="utf-8")
# Text on its ground, and how much contrast WCAG 2.2 AA asks for; of edges and marks, 3.
PAIRS = [
    *((text, ground, 4.5) for text in ("ink", "muted", "accent") for ground in ("paper", "raised")),
    *((text, f"{ground}-bg", 4.5) for text in ("ink", "muted") for ground in ("bad", "good", "warn", "note")),
    *((tone, f"{tone}-bg", 4.5) for tone in ("bad", "good", "warn")),
    *((tone, "raised", 4.5) for tone in ("good", "warn")),
    ("paper", "accent", 4.5),
    *((mark, ground, 3.0) for mark in ("edge", "up", "down") for ground in ("paper", "raised")),
]


def colours(css: str) -> dict[str, tuple[float, ...]]:
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{6});", css)
    return {
        name: tuple(int(value[place : place + 2], 16) / 255 for place in (0, 2, 4)) for name, value in found
    }


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrasts(scheme: str) -> None:
    light, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
    known = colours(light) | (colours(rest) if scheme == "dark" else {})
    for text, ground, least in PAIRS:
        one, two = sorted((luminance(known[text]), luminance(known[ground])))
        assert (two + 0.05) / (one + 0.05) >= least, f"{text} on {ground}, {scheme}"


def test_nothing_is_fetched_from_elsewhere() -> None:
    for name in ("page.css", "page.js", "icon.svg"):
        text = (files("llmood.serve") / "assets" / name).read_text(encoding="utf-8")
        assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.mark.parametrize(
    ("p_value", "n", "words"),
    [
        (1 / 100, 99, "None of the 99"),
        (2 / 100, 99, "About 1 in 50"),
        (1.0, 99, "100 of 100"),
        (0.5, 1, "None of the 1"),
        (None, 9, "no p-value"),
    ],
)
def test_rarity(p_value: float | None, n: int, words: str) -> None:
    assert words in rarity(p_value, n, "questions")


SCORES = st.floats(-1e6, 1e6)


@given(
    st.lists(SCORES, min_size=1, max_size=50), SCORES | st.sampled_from([np.inf, -np.inf]), SCORES | st.none()
)
def test_a_strip_holds_all_it_shows(calibration: list[float], threshold: float, score: float | None) -> None:
    found = strip(np.sort(np.array(calibration)), threshold, score)
    assert found is not None
    assert (found.score is None) == (score is None)
    assert (found.threshold is None) == bool(np.isinf(threshold))
    places = [bar.x for bar in found.bars] + [
        found.threshold or 50.0,
        50.0 if found.score is None else found.score,
    ]
    assert all(0 <= place <= 100 for place in places)
    assert max(bar.height for bar in found.bars) == 80
    if found.threshold is not None and found.score is not None and score is not None and not found.beyond:
        assert (
            (found.score >= found.threshold - 0.02)
            if score >= threshold
            else (found.score <= found.threshold + 0.02)
        )


def test_a_strip_says_what_is_beyond_it() -> None:
    known = np.arange(10.0)
    assert strip(known, 8.0, 1000.0).beyond == "right"  # type: ignore[union-attr]
    assert strip(known, 8.0, -1000.0).beyond == "left"  # type: ignore[union-attr]
    assert strip(np.array([np.inf]), 8.0, 1.0) is None


def test_shades_are_in_thirds_of_the_largest_change() -> None:
    changes = {"big": 9.0, "small": 1.0, "less": -5.0, "nothing": 0.0, "tiny": 0.001}
    words = [Word(name, change, None) for name, change in changes.items()] + [Word("unknown", None, "why")]
    found = {each.text: (each.sign, each.strength) for each in shades(words)}
    assert found == {
        "big": ("up", 3),
        "small": ("up", 1),
        "less": ("down", 2),
        "nothing": ("flat", 0),
        "tiny": ("flat", 0),
        "unknown": ("flat", 0),
    }
    assert [each.text for each in ranked(shades(words))] == ["big", "small", "tiny", "nothing", "less"]
    assert {each.sign for each in shades([Word("a", 0.0, None)])} == {"flat"}

"""Corruptions: what each does to a letter, worked out by hand, and how often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from llmood.errors import ConfigError, UnknownNameError
from llmood.tasks.corrupt import CORRUPTIONS, GRADES, Corruption, corrupt
from llmood.tasks.corruptions.base import Uniforms, uniforms_of
from llmood.tasks.corruptions.clusters import clusters
from llmood.tasks.corruptions.homoglyphs import LOOK_ALIKES
from llmood.tasks.corruptions.keyboard import NEIGHBOURS
from llmood.tasks.corruptions.letter_case import other_case
from llmood.tasks.corruptions.typos import plan_edits

PANGRAM = "The quick brown fox jumps over the lazy dog."
LOOKS_THE_SAME = (
    "\u03a4he \u051bu\u0456\u0441k br\u200dow\u0578 fox jum\u200d\u0440s o\u03bder "
    "th\u200d\u0435 laz\u0443 dog. 1 2 3"
)


def given(rows: Sequence[Sequence[float]]) -> Uniforms:
    """Numbers chosen by hand instead of drawn: one row a place."""

    def uniforms(n: int, k: int) -> NDArray[np.float64]:
        values = np.array(rows, dtype=float)
        assert values.shape == (n, k)
        return values

    return uniforms


def change(name: str, text: str, rate: float, rows: Sequence[Sequence[float]]) -> str:
    return CORRUPTIONS.get(name).change(text, rate, given(rows))


@pytest.mark.parametrize(
    ("slip", "letter", "expected"),
    [
        (0.0, 0.9, "catt"),  # an inserted letter is one of the word's own: 0.9 of three is the last
        (0.25, 0.0, "ct"),
        (0.5, 0.0, "cta"),
        (0.75, 0.0, "caat"),
    ],
)
def test_a_slip_at_the_second_letter(slip: float, letter: float, expected: str) -> None:
    assert change("typos", "cat", 0.5, [[0.9, 0, 0], [0.1, slip, letter], [0.9, 0, 0]]) == expected


def test_a_first_letter_is_never_deleted_and_equal_letters_are_never_swapped() -> None:
    assert change("typos", "a", 1.0, [[0.1, 0.25, 0]]) == "aa"
    assert change("typos", "oo", 0.5, [[0.1, 0.5, 0], [0.9, 0, 0]]) == "ooo"


def test_a_swap_takes_both_letters() -> None:
    # The swap at c comes first, so the slip that a would have made at 0.2 is not made.
    assert change("typos", "cat", 1.0, [[0.1, 0.5, 0], [0.2, 0.75, 0], [0.9, 0.75, 0]]) == "actt"
    # The other way round a is taken, and c is doubled instead.
    assert change("typos", "cat", 0.5, [[0.2, 0.5, 0], [0.1, 0.75, 0], [0.9, 0, 0]]) == "ccaat"


def test_a_neighbouring_key_keeps_the_case() -> None:
    # a is beside q, w, s, z; 0.99 of four is the last.
    assert change("keyboard", "aA1é", 0.5, [[0.1, 0.99], [0.1, 0.0], [0.1, 0], [0.1, 0]]) == "zQ1é"


def test_neighbours_touch_each_other() -> None:
    assert sorted(NEIGHBOURS) == list("abcdefghijklmnopqrstuvwxyz")
    for key, near in NEIGHBOURS.items():
        assert key not in near
        assert all(key in NEIGHBOURS[other] for other in near), key


def test_case_flips_and_leaves_what_has_none() -> None:
    assert change("case", "aB1ß", 0.5, [[0.1]] * 4) == "Ab1ß"
    assert change("case", "ab", 0.5, [[0.4], [0.5]]) == "Ab"
    assert other_case("e\u0301"[0]) == "E"


def test_words_are_dropped_with_one_space() -> None:
    # The word with the largest number (0.9) always stays.
    assert change("deletion", "one two three", 0.5, [[0.9], [0.1], [0.6]]) == "one three"
    assert change("deletion", "one two three", 1.0, [[0.2], [0.9], [0.6]]) == "two"
    assert change("deletion", "one\ntwo three", 0.5, [[0.1], [0.6], [0.9]]) == "\ntwo three"
    assert change("deletion", "alone", 1.0, [[0.1]]) == "alone"


def test_look_alikes_and_joiners_are_drawn_apart() -> None:
    assert change("homoglyphs", "ab1", 0.5, [[0.1, 0, 0.9], [0.1, 0, 0.1], [0.1, 0, 0.1]]) == "\u0430b1"
    assert change("homoglyphs", "ab1", 0.5, [[0.9, 0, 0.1], [0.9, 0, 0.1], [0.9, 0, 0.1]]) == "a\u200db1"


def test_look_alikes_are_letters_of_other_scripts() -> None:
    for latin, alike in LOOK_ALIKES.items():
        assert len(latin) == 1
        assert latin.isascii()
        for letter in alike:
            assert letter.isalpha()
            assert not letter.isascii()
            assert letter.isupper() == latin.isupper()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to zoe.x+y@mail.example.com.", "write to [EMAIL]."),
        ("ask @zoe_x, not a@b", "ask [USER], not a@b"),
        ("+44 20 7946 0958 or (020) 7946 0958", "[PHONE] or [PHONE]"),
        ("212-555-0123 or 555-0123", "[PHONE] or [PHONE]"),
        ("3,200.50 by 7pm, 12 of 1990-1995", "[NUMBER] by [NUMBER]pm, [NUMBER] of [NUMBER]-[NUMBER]"),
        ("covid19 and x2", "covid19 and x2"),
        ("nothing here", "nothing here"),
    ],
)
def test_masking_knows_what_to_mask(text: str, masked: str) -> None:
    assert corrupt(text, "masking", 5, seed=0, key="k") == masked


def test_masking_takes_a_share() -> None:
    assert change("masking", "1 2 3", 0.5, [[0.1], [0.6], [0.2]]) == "[NUMBER] 2 [NUMBER]"


@pytest.mark.parametrize("text", ["", "  \n", "123 !?", "中文", "👩\u200d👩\u200d👧"])
@pytest.mark.parametrize("name", ["typos", "keyboard", "case", "homoglyphs"])
def test_a_text_with_nothing_to_corrupt_stays(name: str, text: str) -> None:
    if name == "typos" and text == "中文":
        return  # letters of a script without case or keys: slips are possible
    assert corrupt(text, name, 5, seed=0, key="k") == text


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize(
    ("name", "places"), [("keyboard", 20_000), ("case", 20_000), ("deletion", 10_000), ("masking", 10_000)]
)
def test_the_share_changed_is_the_rate(name: str, places: int, grade: int) -> None:
    rate = CORRUPTIONS.get(name).rates[grade - 1]
    text = {"deletion": "ab " * places, "masking": "7 " * places}.get(name, "ab" * (places // 2))
    out = corrupt(text, name, grade, seed=1, key="k")
    changed = {
        "deletion": places - out.count("ab"),
        "masking": out.count("[NUMBER]"),
    }.get(name, sum(a != b for a, b in zip(text, out, strict=False)))
    # Binomial: five standard deviations are missed once in two million.
    assert abs(changed - rate * places) <= 5 * (places * rate * (1 - rate)) ** 0.5 + (name == "deletion")


@pytest.mark.parametrize("grade", GRADES)
def test_the_share_of_slips_is_nearly_the_rate(grade: int) -> None:
    places, rate = 20_000, CORRUPTIONS.get("typos").rates[grade - 1]
    units = list("ab" * (places // 2))
    edits = [
        edit for edit in plan_edits(units, uniforms_of(1, "typos", "k")(places, 3)) if edit.threshold < rate
    ]
    # A slip is lost where a swap (a quarter of the slips) took its letter before: at most rate / 4 of them.
    spread = 5 * (places * rate * (1 - rate)) ** 0.5
    assert rate * (1 - rate / 4) * places - spread <= len(edits) <= rate * places + spread
    slips = [edit.slip for edit in edits]
    assert all(slips.count(slip) > 0.15 * len(slips) for slip in ("insert", "delete", "swap", "double"))


@pytest.mark.parametrize("grade", GRADES)
def test_look_alikes_and_joiners_come_at_the_rate(grade: int) -> None:
    places, rate = 20_000, CORRUPTIONS.get("homoglyphs").rates[grade - 1]
    out = corrupt("ab" * (places // 2), "homoglyphs", grade, seed=1, key="k")
    joiners, alike = out.count("\u200d"), out.count("\u0430")
    assert abs(joiners - rate * places) <= 5 * (places * rate) ** 0.5
    assert abs(alike - rate * places / 2) <= 5 * (places / 2 * rate) ** 0.5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("case", "the qUIck brown FOX JuMPS OVeR tHE Lazy DoG. 1 2 3"),
        ("deletion", "The quick brown fox jumps the lazy 1 3"),
        (
            "homoglyphs",
            LOOKS_THE_SAME,
        ),
        ("keyboard", "Tbe qujck brksn fox jinps ovrr yye lqzu dog. 1 2 3"),
        ("masking", "The quick brown fox jumps over the lazy dog. [NUMBER] [NUMBER] [NUMBER]"),
        ("typos", "Thhe quick broown fox jupmss oer thte llazy dog. 1 2 3"),
    ],
)
def test_the_same_on_every_machine(name: str, expected: str) -> None:
    assert corrupt(PANGRAM + " 1 2 3", name, 4, seed=0, key="k") == expected


@pytest.mark.parametrize("name", CORRUPTIONS.names())
def test_seed_and_key_decide(name: str) -> None:
    text = (PANGRAM + " 1 2 3 ") * 5
    one = corrupt(text, name, 4, seed=0, key="k")
    assert one != text
    assert one == corrupt(text, name, 4, seed=0, key="k")
    assert len({one, corrupt(text, name, 4, seed=1, key="k"), corrupt(text, name, 4, seed=0, key="l")}) == 3


def test_characters_are_kept_whole() -> None:
    family, flags = "👩\u200d👩\u200d👧", "🇩🇪🇫🇷"
    assert clusters("e\u0301a" + family + flags + "\r\n한") == [
        "e\u0301",
        "a",
        family,
        "🇩🇪",
        "🇫🇷",
        "\r\n",
        "한",
    ]


def test_mistakes_name_the_remedy() -> None:
    with pytest.raises(UnknownNameError, match="no corruption 'typo'") as unknown:
        corrupt("a", "typo", 1, seed=0, key="k")
    assert "typos" in (unknown.value.hint or "")
    for grade in (0, 6):
        with pytest.raises(ConfigError, match=f"no grade {grade} of 'typos'"):
            corrupt("a", "typos", grade, seed=0, key="k")


@pytest.mark.parametrize("rates", [(0.1, 0.2), (0.2, 0.1, 0.3, 0.4, 0.5), (0, 0, 0, 0, 1.1)])
def test_rates_rise_within_a_share(rates: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rising rates"):
        Corruption("c", "s", rates, lambda text, rate, uniforms: text)


def test_every_corruption_says_what_it_does() -> None:
    assert CORRUPTIONS.names() == ["case", "deletion", "homoglyphs", "keyboard", "masking", "typos"]
    for _, corruption in CORRUPTIONS:
        assert corruption.summary.endswith(".")
        assert corruption.rates[0] < corruption.rates[-1]

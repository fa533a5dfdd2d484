"""What holds for every corruption of every text."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from llmood.tasks.corrupt import CORRUPTIONS, GRADES, corrupt
from llmood.tasks.corruptions.base import uniforms_of
from llmood.tasks.corruptions.clusters import clusters, is_letter
from llmood.tasks.corruptions.typos import plan_edits

NAMES = CORRUPTIONS.names()
# Words with accents as marks, other scripts, emoji of several parts, numbers, spaces of several kinds.
LETTERS = "a b E é ß я 中 한 - . @x a@b.de 1 42 e\u0301 o\u0308\u0323 ש\u05b8 की 👩\u200d👧 🇩🇪 👍🏽".split()
PIECES = st.sampled_from([*LETTERS, " ", " ", "\n", "\t"])
MIXED = st.lists(PIECES, max_size=30).map("".join)
TEXTS = st.one_of(MIXED, st.text(max_size=30))
KEYS = st.text(max_size=5)


def grades_of(text: str, name: str, key: str) -> list[str]:
    return [corrupt(text, name, grade, seed=3, key=key) for grade in GRADES]


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS, key=KEYS)
def test_never_blank_and_never_broken(name: str, text: str, key: str) -> None:
    for out in grades_of(text, name, key):
        assert bool(out.strip()) == bool(text.strip())
        out.encode("utf-8")  # no half of a surrogate pair
        assert ("\0" in out) <= ("\0" in text)


@pytest.mark.parametrize("name", NAMES)
@given(text=MIXED, key=KEYS)
def test_no_character_is_torn_from_its_accents(name: str, text: str, key: str) -> None:
    # The marks that each base carries, found by another implementation of Unicode's annex 29.
    known = {cluster[1:] for cluster in regex.findall(r"\X", text)} | {"\u200d", ""}
    for out in grades_of(text, name, key):
        tails = {cluster[1:].removesuffix("\u200d") for cluster in regex.findall(r"\X", out)}
        assert tails <= known


@given(text=MIXED)
def test_clusters_are_those_of_unicode(text: str) -> None:
    assert clusters(text) == regex.findall(r"\X", text)


@given(text=st.text())
def test_clusters_lose_nothing_and_cut_no_character_of_unicode(text: str) -> None:
    cut = clusters(text)
    assert "".join(cut) == text
    assert all(cut)


@pytest.mark.parametrize("name", ["keyboard", "case"])
@given(text=TEXTS, key=KEYS)
def test_a_higher_grade_changes_the_same_places_and_more(name: str, text: str, key: str) -> None:
    changed = []
    for out in grades_of(text, name, key):
        assert len(out) == len(text)
        changed.append({(i, b) for i, (a, b) in enumerate(zip(text, out, strict=True)) if a != b})
    assert all(low <= high for low, high in pairwise(changed))


@given(text=TEXTS.filter(lambda text: "\u200d" not in text), key=KEYS)
def test_a_higher_grade_has_the_same_look_alikes_and_joiners_and_more(text: str, key: str) -> None:
    changed, joiners = [], []
    for out in grades_of(text, "homoglyphs", key):
        plain = out.replace("\u200d", "")
        assert len(plain) == len(text)
        changed.append({(i, b) for i, (a, b) in enumerate(zip(text, plain, strict=True)) if a != b})
        joiners.append(out.count("\u200d"))
    assert all(low <= high for low, high in pairwise(changed))
    assert joiners == sorted(joiners)


@given(words=st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=30), key=KEYS)
def test_a_higher_grade_drops_the_same_words_and_more(words: list[str], key: str) -> None:
    numbered = [f"{word}{place}" for place, word in enumerate(words)]
    before = numbered
    for out in grades_of(" ".join(numbered), "deletion", key):
        kept = out.split()
        assert kept == [word for word in before if word in kept]
        assert kept
        before = kept


@given(text=MIXED, key=KEYS)
def test_a_higher_grade_masks_the_same_and_more(text: str, key: str) -> None:
    counts = [out.count("[") for out in grades_of(text, "masking", key)]
    assert counts == sorted(counts)


@given(text=MIXED, key=KEYS)
def test_a_higher_grade_slips_the_same_and_more(text: str, key: str) -> None:
    units = clusters(text)
    plan = plan_edits(units, uniforms_of(3, "typos", key)(len(units), 3))
    thresholds = [edit.threshold for edit in plan]
    assert thresholds == sorted(thresholds)  # so each grade makes the first few of the plan
    taken = [place for edit in plan for place in range(edit.place, edit.place + 1 + (edit.slip == "swap"))]
    assert len(set(taken)) == len(taken)
    assert all(is_letter(units[place]) for place in taken)
    for rate, out in zip(CORRUPTIONS.get("typos").rates, grades_of(text, "typos", key), strict=True):
        made = [edit for edit in plan if edit.threshold < rate]
        change = Counter(edit.slip for edit in made)
        grown = change["insert"] + change["double"] - change["delete"]
        assert len(clusters(out)) == len(units) + grown
        assert (out == text) or made

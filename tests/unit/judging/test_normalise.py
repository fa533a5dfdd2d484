"""What a text is compared by, in any script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.judging.normalise import normalise, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Eiffel-Tower!", "eiffeltower"),  # punctuation goes before words are told apart
        ("a cat and an owl", "cat and owl"),
        ("Theatre", "theatre"),  # an article is a whole word
        (" ,. ", ""),
        ("t-he cat", "cat"),  # an article that comes of dropping a mark goes too
        ("«L’Été»…", "lété"),
        ("東京、です。", "東京です"),
        ("ＡＢＣ １２", "abc 12"),  # full width
        ("ﬁne", "fine"),
        ("straße", "strasse"),
        ("e\u0301te\u0301", "été"),  # composed
        ("क्या।", "क्या"),  # the marks of a script are part of its letters
        ("10²", "10²"),  # no 102
        ("½", "½"),  # no 12
        ("3 €", "3 €"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize("text", ["Москва", "القاهرة", "北京", "서울", "กรุงเทพ", "αθήνα", "ירושלים", "தமிழ்"])
def test_no_script_is_erased(text: str) -> None:
    letters = [letter for letter in text if unicodedata.category(letter)[0] in "LM"]
    assert len(normalise(text)) == len(letters)
    assert normalise(text) != normalise(text + text)


@given(st.text())
def test_once_is_enough(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text())
def test_case_and_spacing_make_no_difference(text: str) -> None:
    assert normalise(f"  {text}\n") == normalise(text)
    assert normalise(text.casefold()) == normalise(text)


@given(st.text(alphabet="abcxyz 0189", min_size=1))
def test_of_plain_text_only_articles_and_spaces_go(text: str) -> None:
    kept = [word for word in text.split() if word not in ("a", "an", "the")]
    assert normalise(text).split() == kept


def test_a_script_without_spaces_is_told_apart_by_character() -> None:
    assert tokens("東京都 is big") == ("東", "京", "都", "is", "big")
    assert tokens("The big one") == ("big", "one")
    assert tokens("...") == ()

"""What reaches the terminal acts on nothing, and pipes."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.cli.terminal import print_json, print_table, printable, say


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    shown = printable(text)
    assert all(unicodedata.category(letter) not in ("Cc", "Cs") or letter in "\n\t" for letter in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert shown.count("\n") == text.count("\n")


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Cf"))))
def test_ordinary_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb", "a\\rb"),
        ("\x9b5m", "\\x9b5m"),
        ("\u202egnp", "\\u202egnp"),
        ("\x00", "\\x00"),
        ("\ud800", "\\ud800"),
        ("שלום 👩‍👩‍👧 é\n\tx", "שלום 👩‍👩‍👧 é\n\tx"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_say(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x07")
    say()
    assert capsys.readouterr().out == "a\\x07\n\n"


def test_a_table_is_a_line_a_row_whatever_its_cells_hold(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a", "long header"], [["two\nlines", "x"], ["\x1b[2J", ""]])
    assert capsys.readouterr().out == ("a           long header\ntwo\\nlines  x\n\\x1b[2J\n")


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a", "b"], [])
    assert capsys.readouterr().out == "a  b\n"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_is_one_ascii_line(value: object) -> None:
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        print_json(value)
    line = out.getvalue()
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line) == value


def test_json_holds_no_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        print_json(float("nan"))

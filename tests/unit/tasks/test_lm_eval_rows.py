"""What a document of the lm-evaluation-harness becomes: its prompt, its choices and the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.errors import ConfigError
from llmood.tasks.lm_eval import HarnessTask
from llmood.tasks.lm_eval_rows import RowMaker, references
from llmood.tasks.row_errors import RowError


@pytest.mark.parametrize(
    ("target", "choices", "expected"),
    [
        ("1", ["a", "b"], ["b"]),
        (1, ["a", "b"], ["b"]),
        (True, ["no", "yes"], ["yes"]),
        ("b", ["a", "b"], ["b"]),
        ("-1", ["a", "b"], None),  # hidden labels
        (-1, ["a", "b"], None),
        (2, ["a", "b"], None),
        ("1", None, ["1"]),
        (7, None, ["7"]),
        ("['x', 'y']", None, ["x", "y"]),
        ("[see below]", None, ["[see below]"]),
        ([0, 1], ["a", "b"], ["a", "b"]),
        (["x", ""], None, ["x"]),
        ("  ", None, None),
        (None, None, None),
    ],
)
def test_targets(target: Any, choices: list[str] | None, expected: list[str] | None) -> None:
    assert references(target, choices) == expected


def _maker(tmp_path: Path, **keys: Any) -> RowMaker:
    return RowMaker(HarnessTask(tmp_path / "t.yaml", {"task": "t", **keys}, ()))


def test_templates_print_what_the_harness_s_do_and_stay_in_the_sandbox(tmp_path: Path) -> None:
    maker = _maker(
        tmp_path,
        doc_to_text="{{n}} of {{x|regex_replace('[0-9]+', '#')}}{{none}}\n",
        doc_to_choice={"A": 1, "B": 2},
    )
    row = maker.row({"n": 3, "x": "a1b22", "none": None})
    assert row["doc_to_text"] == "3 of a#b#None\n"
    assert row["doc_to_choice"] == ["1", "2"]
    with pytest.raises(ConfigError, match="not allowed in a template"):
        _maker(tmp_path, doc_to_text="{{ x.__class__.__mro__ }}").row({"x": "a"})


def test_a_replacement_that_fills_the_memory_is_a_reject(tmp_path: Path) -> None:
    maker = _maker(tmp_path, doc_to_text="{{ x|regex_replace('a', y) }}")
    assert maker.row({"x": "banana", "y": "oo"})["doc_to_text"] == "boonoonoo"
    with pytest.raises(RowError, match="over 1000000 characters"):
        maker.row({"x": "a" * 2000, "y": "b" * 1000})

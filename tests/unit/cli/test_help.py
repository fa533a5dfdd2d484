"""What help prints can be copied: brackets stay, and every example is a command that parses."""

import re
import shlex

import pytest

from llmood.gates import parse_gate
from tests.worlds import llmood

VERBS = ["run", "demo", "merge", "rescore", "report", "compare", "init", "validate", "doctor"]


def help_of(verb: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "300")
    return re.sub(r"\s+", " ", llmood(verb, "--help").out)


@pytest.mark.parametrize("verb", ["run", "demo", "merge", "rescore", "report", "compare"])
def test_the_gate_in_help_is_a_gate(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (gate, *_) = re.findall(r"'(auroc[^']*)'", help_of(verb, monkeypatch))
    assert parse_gate(gate).filters["scorer"] == "likelihood_ratio"


def test_the_example_of_rescore_names_its_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    example = help_of("rescore", monkeypatch).partition("Examples: ")[2]
    words = shlex.split(example)
    assert "scorers=[likelihood.mean]" in words
    assert "scorers+=[likelihood.mean]" in words


@pytest.mark.parametrize("verb", VERBS)
def test_no_markup_is_left_over(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\\[" not in help_of(verb, monkeypatch)

"""What a person at a terminal sees, and a pipe doesn't."""

from __future__ import annotations

import pytest

from llmood.cli.progress import Bars


@pytest.mark.parametrize(("terminal", "shown"), [(True, "scoring\n"), (False, "")])
def test_lines_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool, shown: str
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    Bars().say("scoring")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", shown)

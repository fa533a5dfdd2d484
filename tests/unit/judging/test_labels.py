"""Labels that can't be found: one line that says which key names them and what is expected there."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmood.errors import ConfigError
from llmood.judging.choose import chosen_rule
from llmood.judging.labels import read_labels


def test_a_missing_file_says_what_is_expected(tmp_path: Path) -> None:
    for path, wrong in ((tmp_path / "absent.csv", "is not there"), (tmp_path, "is a folder")):
        with pytest.raises(ConfigError, match=wrong) as caught:
            read_labels(path, (), place="correctness.labels")
        assert caught.value.hint is not None
        assert caught.value.hint.startswith("set correctness.labels to a CSV, JSONL or Parquet file")
        assert "sample_id, correct" in caught.value.hint


def test_a_file_in_a_rule_s_place_points_to_labels() -> None:
    for name in ("labels.csv", "own/verdicts", "labels.jsonl.gz"):
        with pytest.raises(ConfigError, match=r"correctness: '.*' is a file, and a rule's name") as caught:
            chosen_rule(name)
        assert f"--set 'correctness={{labels: {name}}}'" in (caught.value.hint or "")
    with pytest.raises(ConfigError, match="no rule 'exactmatch'"):
        chosen_rule("exactmatch")

"""What `ls` says, in JSON, as a table, and on a terminal that is too narrow for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from llmood.cli.listing import families, show_table
from tests.task_files import texts, write_task
from tests.worlds import llmood


def listed(what: str, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    include = ["--include-path", folder] if folder else []
    return {row[what.rstrip("s")]: row for row in llmood("ls", what, "--json", *include).json()}


def test_every_task_gives_its_splits_sizes_and_licence() -> None:
    for name, row in listed("tasks").items():
        assert row["licence"], name
        assert row["citation"], name
        assert "test" in row["splits"], name
        # Of sets that users fetch, nobody here has counted the rows of each split; their flaws say so.
        unread = any(
            said in " ".join(row["known_flaws"]) for said in ("no row was", "nor row was", "No copy")
        )
        for size in row["splits"].values():
            assert isinstance(size, int) or unread, name


def test_a_built_in_task() -> None:
    row = listed("tasks")["rt_polarity"]
    assert row["splits"] == {"train": 8529, "validation": 1066, "test": 1067}
    assert (row["licence"], row["language"], row["version"]) == ("CC-BY-4.0", "en", 1)
    assert "no official split" in row["known_flaws"][0]
    local, hub = row["sources"]
    assert local == {
        "files": "rt_polarity/{split}.jsonl.gz",
        "images": None,
        "splits": row["splits"],
        "filtered": False,
    }
    assert (hub["hub"], hub["config"], hub["revision"]) == (
        "cornell-movie-review-data/rotten_tomatoes",
        None,
        None,
    )
    assert hub["splits"] == {"train": 8530, "validation": 1066, "test": 1066}


def test_what_is_not_written_down_is_null(tmp_path: Path) -> None:
    write_task(tmp_path, {"train": texts("a"), "test": texts("b")})
    row = listed("tasks", tmp_path)["t"]
    assert row["splits"] == {"train": None, "test": None}
    assert (row["licence"], row["citation"], row["homepage"], row["known_flaws"]) == (None, None, None, [])
    assert Path(row["file"]) == tmp_path / "t.yaml"


def test_the_first_source_gives_the_sizes_and_later_ones_add_splits(tmp_path: Path) -> None:
    sources = [
        {"files": {"test": "test.jsonl"}, "rows": {"test": 2}, "where": {"text": "a"}},
        {"hub": "owner/set", "splits": {"train": "train", "test": "dev"}, "rows": {"train": 5, "test": 9}},
    ]
    write_task(tmp_path, {}, sources=sources)
    row = listed("tasks", tmp_path)["t"]
    assert row["splits"] == {"train": 5, "test": 2}
    assert [source["filtered"] for source in row["sources"]] == [True, False]


def test_the_table_shows_the_sizes(tmp_path: Path) -> None:
    sources = [{"files": {"train": "a.jsonl", "test": "b.jsonl"}, "rows": {"test": 12_345}}]
    write_task(tmp_path, {}, sources=sources, description="Ours.")
    lines = llmood("ls", "tasks", "--include-path", tmp_path).out.splitlines()
    (line,) = [line for line in lines if line.split()[0] == "t"]
    assert " ".join(line.split()) == "t train · test 12,345 – Ours."


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    benchmark = {
        "name": "ours",
        "id": "demo",
        "ood": [
            {"task": "demo_near", "shift": "near", "note": "Close."},
            {"corruption": "typos"},
            {"task": "demo_ships", "corruption": "case", "severity": 3},
        ],
    }
    (tmp_path / "ours.yaml").write_text(yaml.safe_dump(benchmark), encoding="utf-8")
    return tmp_path


def test_a_benchmarks_shifts_are_structured(shifted: Path) -> None:
    row = listed("benchmarks", shifted)["ours"]
    assert row["id"] == "demo"
    near, typos, case = row["ood"]
    assert (near["task"], near["shift"], near["note"], near["corruption"]) == (
        "demo_near",
        "near",
        "Close.",
        None,
    )
    assert (typos["task"], typos["shift"], typos["corruption"], typos["severity"]) == (
        "demo",
        "covariate",
        "typos",
        None,
    )
    assert (case["task"], case["corruption"], case["severity"]) == ("demo_ships", "case", 3)


def test_the_table_names_the_shifts(shifted: Path) -> None:
    lines = llmood("ls", "benchmarks", "--include-path", shifted).out.splitlines()
    (line,) = [line for line in lines if line.split()[0] == "ours"]
    assert "demo_near (near), typos (covariate), case 3 of demo_ships (covariate)" in line


def test_corruptions_of_both_kinds_are_listed() -> None:
    rows = {row["corruption"]: row for row in llmood("ls", "corruptions", "--json").json()}
    assert {row["of"] for row in rows.values()} == {"texts", "pictures"}
    assert (rows["typos"]["of"], rows["typos"]["grades 1 to 5"]) == ("texts", "2% · 5% · 10% · 15% · 25%")
    assert (rows["blur"]["of"], rows["blur"]["grades 1 to 5"]) == ("pictures", "0.8% · 1.5% · 3% · 5% · 8%")
    assert rows["rotation"]["grades 1 to 5"] == "4° · 8° · 15° · 25° · 40°"
    assert all(row["description"].endswith(".") for row in rows.values())


def test_a_grid_is_listed(tmp_path: Path) -> None:
    grid = {"images": ["blur", "jpeg"], "texts": ["typos"], "grades": [5, 1]}
    benchmark = {"name": "crossed", "description": "d", "id": "demo", "grid": grid}
    (tmp_path / "crossed.yaml").write_text(yaml.safe_dump(benchmark), encoding="utf-8")
    lines = llmood("ls", "benchmarks", "--include-path", tmp_path).out.splitlines()
    (line,) = [line for line in lines if line.split()[0] == "crossed"]
    assert "blur/jpeg × typos 1, 5 (covariate)" in line
    assert listed("benchmarks", tmp_path)["crossed"]["grid"] == grid


def test_variants_of_a_scorer_share_a_line() -> None:
    lines = llmood("ls", "scorers").out.splitlines()
    (likelihood,) = [line for line in lines if line.split()[0] == "likelihood"]
    assert "[.base][.prompt_response|.response|.response_given_prompt][.mean]" in likelihood
    (length,) = [line for line in lines if line.split()[0] == "length"]
    assert length.split()[1:] == ["–"]
    assert len(listed("scorers")) > 2 * sum(not line.startswith(" ") for line in lines)


def test_the_scorers_fit_a_hundred_columns_and_json_keeps_every_parameter() -> None:
    lines = llmood("ls", "scorers").out.splitlines()
    assert max(map(len, lines)) <= 100
    below = lines[lines.index(next(line for line in lines if line.startswith("sequence_entropy"))) + 1 :]
    assert below[0].strip().startswith("The mean −log p of the draws")
    assert below[1].strip() == "needs generations/tuned/prompt"
    assert "max_new_tokens=64,n=10" in listed("scorers")["sequence_entropy"]["needs"]


def test_every_name_of_a_pattern_is_a_scorer() -> None:
    """The patterns spelled out are the ids, no more and no fewer."""
    spelled = set()
    for line in llmood("ls", "scorers").out.splitlines():
        if line.startswith((" ", "scorer ")):  # what a scorer is stands below its name
            continue
        name, pattern = line.split()[:2]
        names = [name]
        for slot in pattern.strip("–[]").split("]["):
            names = [stem + part for stem in names for part in ("", *filter(None, slot.split("|")))]
        spelled |= set(names)
    assert spelled == set(listed("scorers"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("a", {"a": ""}),
        ("a a.x b", {"a": "[.x]", "b": ""}),
        ("a a.x a.y a.z a.x.z a.y.z", {"a": "[.x|.y][.z]"}),
        ("a a.x a.y a.x.z", {"a": ".x, .y, .x.z"}),  # .y.z isn't there: no pattern says so
        ("a.x a.y", {"a.x": "", "a.y": ""}),
    ],
)
def test_patterns_by_hand(names: str, expected: dict[str, str]) -> None:
    assert families(dict.fromkeys(names.split(), "alike")) == expected


def test_what_is_another_scorer_stands_apart() -> None:
    assert families({"a": 1, "a.x": 1, "a.y": 2}) == {"a": "[.x]", "a.y": ""}


ROWS = [["one", "near, far", "Many words about it."], ["three", "–", "A\x1b[2Jll."]]
WHOLE = (
    "name   sets       description\none    near, far  Many words about it.\nthree  –          A\\x1b[2Jll.\n"
)


TWO_FIT = """\
name   sets
    description
one    near, far
    Many words about
    it.
three  –
    A\\x1b[2Jll.
"""
ONE_FITS = """\
name
    sets
    description
one
    near,
    far
    Many
    words
    about
    it.
three
    A\\x1b[2Jll.
"""


@pytest.mark.parametrize(
    ("terminal", "width", "expected"),
    [
        (False, 20, WHOLE),
        (True, 38, WHOLE),
        (True, 20, TWO_FIT),
        (True, 10, ONE_FITS),
    ],
)
def test_a_narrow_terminal_gets_folded_rows(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    width: int,
    expected: str,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    show_table(["name", "sets", "description"], ROWS)
    assert capsys.readouterr().out == expected


def test_calibrators_are_listed_with_what_they_read() -> None:
    rows = {row["calibrator"]: row for row in llmood("ls", "calibrators", "--json").json()}
    assert rows["platt"]["reads"] == "a score"
    assert rows["beta"]["reads"] == "a probability of being right"
    assert rows["logistic"]["reads"] == "scores of several scorers"
    assert rows["histogram"]["arguments"] == "bins=10"
    assert all(row["description"].endswith(".") for row in rows.values())


def test_rules_are_listed_with_their_arguments() -> None:
    rows = {row["rule"]: row for row in llmood("ls", "rules", "--json").json()}
    assert rows["f1"]["arguments"] == "threshold=0.5"
    assert rows["multiple_choice"]["reads"] == "choices, references"
    assert all(row["description"] for row in rows.values())

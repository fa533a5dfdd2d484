"""Data files as they really come: through `init`, `validate` and `run`, each a reject or one line, no traceback."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.task_files import write_jsonl
from tests.worlds import Outcome, World, llmood, refused, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache", "no_report")

FAKE = (
    "--set",
    "engine={kind: fake}",
    "--set",
    "models.base=fake",
    "--set",
    "models.tuned.model=fake-tuned:cost",
)
QUICK = (*FAKE, "--set", "bootstrap.draws=100", "--set", "scorers=[likelihood]")
MANY = [{"text": f"what does item {n} cost?", "label": f"l{n % 3}"} for n in range(60)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*options: object) -> Outcome:
    return llmood("run", "mine/config.yaml", *QUICK, "-o", "run", *options)


def rejects() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("run/rejects.jsonl").read_text().splitlines()]


def table(name: str, **columns: Any) -> None:
    pq.write_table(pa.table(columns), name)


# ----------------------------------------------------------------------------- a whole file that can't be used


def cut_gzip(path: Path) -> None:
    lines = b"".join(b'{"text": "%d"}\n' % (number * 7919) for number in range(4000))
    path.write_bytes(gzip.compress(lines)[:-1000])


def other_content(path: Path) -> None:
    path.write_bytes(b"this is plain text\n")


def headless(path: Path) -> None:
    path.write_bytes(b"text,text\na,b\n")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lists(path: Path) -> None:
    path.write_bytes(b'["a"]\n["b"]\n')


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("mine.jsonl.gz", cut_gzip, ("mine.jsonl.gz: is damaged after line ", "fetch the file again")),
        ("mine.jsonl.gz", other_content, ("mine.jsonl.gz: is damaged after line 0",)),
        ("mine.parquet", other_content, ("mine.parquet: can't be read as Parquet",)),
        ("mine.csv", headless, ("mine.csv:1: a header is needed",)),
        ("mine.csv", empty, ("mine.csv:1: a header is needed",)),
        ("mine.jsonl", empty, ("holds no ",)),
        ("mine.jsonl", lists, ("mine.jsonl", "1: wrong type: the row is a list")),
        ("mine.xlsx", other_content, ("mine.xlsx: unknown format", ".jsonl")),
    ],
)
def test_a_file_that_is_none(
    home: Path, name: str, make: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    make(home / name)
    refused(llmood("init", name), *words)
    assert sorted(path.name for path in home.iterdir()) == [name]
    # The same where the YAML was written by hand.
    (home / "t.yaml").write_text(
        yaml.safe_dump({"name": "t", "sources": [{"files": {"test": name}}], "prompt": "{{ text }}"})
    )
    refused(llmood("validate", "t.yaml"), *words)
    config = {"benchmark": {"name": "b", "id": "t.yaml"}, "models": {"base": "x", "tuned": "y"}}
    (home / "c.yaml").write_text(yaml.safe_dump(config))
    refused(llmood("run", "c.yaml", *QUICK, "-o", "run"), *words)
    assert not (home / "run").exists()


# ----------------------------------------------------------------------------- rows that can't be read


def test_mixed_encodings_lose_their_own_rows_only(home: Path) -> None:
    lines = ["question,answer", *(f"café {n},oui" for n in range(60))]
    data = [line.encode("latin-1" if n in (7, 31) else "utf-8") for n, line in enumerate(lines, 1)]
    (home / "mine.csv").write_bytes(b"\r\n".join(data) + b"\r\n")
    outcome = llmood("init", "mine.csv")
    assert outcome.code == 0
    assert (
        "note: rows of mine.csv: 2 can't be read, the first: line 7: invalid UTF-8 (save the file"
        in outcome.out
    )
    outcome = llmood("validate", "mine/config.yaml", *QUICK)
    assert outcome.code == 1
    assert "rejected: ../mine.csv:7: invalid UTF-8" in outcome.out
    assert run().code == 1
    assert [(reject["line"], reject["reason"]) for reject in rejects()] == [
        (7, "invalid UTF-8"),
        (31, "invalid UTF-8"),
    ]


def test_csv_with_line_feeds_in_its_cells(home: Path) -> None:
    rows = "".join(f'"first {n}\nsecond, with ""quotes""\r\n\nthird",a\n' for n in range(40))
    (home / "mine.csv").write_text(f"question,answer\n{rows}", newline="")
    assert llmood("init", "mine.csv").code == 0
    found = llmood("validate", "mine/mine.yaml", "--json").json()
    assert sum(found["splits"].values()) == 40
    assert 'second, with "quotes"\r\n\nthird' in found["samples"][0]["prompt"]
    assert (int(found["samples"][0]["source_line"].split(":")[1]) - 2) % 4 == 0
    assert run().code == 0


def test_parquet_with_nested_columns(home: Path) -> None:
    docs = [{"title": f"t{n}", "body": f"body of {n}"} for n in range(40)]
    table("mine.parquet", doc=docs, tags=[["a", "b"]] * 40)
    refused(llmood("init", "mine.parquet"), "no column of text", "doc, tags", "{{ doc.title }}")
    assert llmood("init", "mine.parquet", "--prompt", "{{ doc.body }}").code == 0
    found = llmood("validate", "mine/config.yaml", *QUICK, "--json")
    assert found.code == 0
    assert found.json()["prompts"][0].startswith("body of ")
    assert run().code == 0
    # A template that prints the whole mapping is a mistake of every row.
    refused(llmood("init", "mine.parquet", "--prompt", "{{ doc }}", "--force"), "--prompt", "a dict")
    refused(llmood("init", "mine.parquet", "--prompt", "{{ doc.boddy }}", "--force"), "--prompt", "boddy")


def test_an_unlabelled_file_is_enough(home: Path) -> None:
    write_jsonl(home / "mine.jsonl", [{"text": f"a remark on {n}"} for n in range(60)])
    assert llmood("init", "mine.jsonl").code == 0
    outcome = llmood("validate", "mine/config.yaml", *QUICK)
    assert outcome.code == 0
    assert "mine: no field beside the prompt" in outcome.out
    assert run().code == 0


def test_duplicate_ids_are_counted_and_confuse_nothing(home: Path) -> None:
    write_jsonl(home / "mine.jsonl", [{"id": n % 5, **row} for n, row in enumerate(MANY)])
    assert llmood("init", "mine.jsonl").code == 0
    found = llmood("validate", "mine/mine.yaml", "--json").json()
    counts = {split: count - 5 for split, count in found["splits"].items()}
    shown = ", ".join(f"{count} in {split}" for split, count in counts.items())
    assert (
        f"warning: Rows of mine that bear the 'id' of an earlier row of their split: {shown}."
        in found["checks"]
    )
    assert run().code == 0
    import llmood as package

    samples = package.Run(Path("run")).samples()
    assert samples["sample_id"].is_unique


def test_the_same_rows_twice_stay_in_one_split(home: Path) -> None:
    write_jsonl(home / "mine.jsonl", [*MANY, *MANY])
    assert llmood("init", "mine.jsonl").code == 0
    found = llmood("validate", "mine/config.yaml", *QUICK, "--json")
    assert found.code == 0
    assert any(
        "repeat an earlier one of their split to the letter" in check for check in found.json()["checks"]
    )


# ----------------------------------------------------------------------------- a template and columns


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("{{ txt }}", ("prompt: no column 'txt'", "'text'")),
        ("{{ text.__class__.__mro__[1].__subclasses__() }}", ("prompt: not allowed in a template",)),
        ("{{ ''.__class__ }}{{ text }}", ("prompt: not allowed in a template",)),
        ("{{ text }}{% include '/etc/passwd' %}", ("prompt: a template here can't include",)),
        ("{{ text | attr('__class__') }}", ("prompt: ",)),
        ("{{ text.format_map }}", ("prompt: ",)),
        ("{{ 'x' * 10**9 }}{{ text }}", ("prompt: not allowed in a template",)),
    ],
)
def test_a_template_that_reaches_for_what_is_not_there(
    tmp_path: Path, prompt: str, words: tuple[str, ...]
) -> None:
    world = write_world(tmp_path / "world")
    path = world.folder / "bank" / "t.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "prompt": prompt}))
    refused(llmood("validate", path), "t.yaml", *words)
    refused(llmood("validate", world.config), "t.yaml", *words)
    refused(llmood("run", world.config, "-o", tmp_path / "run"), "t.yaml", *words)
    assert not (tmp_path / "run").exists()


def test_rows_that_look_like_templates_are_text(home: Path) -> None:
    hostile = "{{ 7 * 7 }} {{ ''.__class__.__mro__ }} {% include '/etc/passwd' %}"
    turns = [{"messages": [{"role": "user", "content": f"{hostile} {n}"}]} for n in range(40)]
    for name, rows in (("plain", [{"text": f"{hostile} {n}"} for n in range(40)]), ("chat", turns)):
        write_jsonl(home / f"{name}.jsonl", rows)
        assert llmood("init", f"{name}.jsonl").code == 0
        found = llmood("validate", f"{name}/{name}.yaml", "--json").json()
        assert hostile in found["prompts"][0]


def test_column_names_that_look_like_yaml_or_templates(home: Path) -> None:
    names = ["{{ 7 * 7 }}", "a: [b", "#no", "'", "yes", "x\ny"]
    write_jsonl(home / "mine.jsonl", [{**row, **dict.fromkeys(names, "v")} for row in MANY])
    for number, name in enumerate(names[1:]):
        folder = f"m{number}"
        assert llmood("init", "mine.jsonl", "--label-column", name, "-o", folder).code == 0
        assert yaml.safe_load((home / folder / "mine.yaml").read_text())["fields"]["label"] == name
        assert llmood("validate", f"{folder}/mine.yaml").code == 0


def test_a_data_set_whose_columns_changed(tmp_path: Path) -> None:
    """The whole file: one line that names the column. Some rows: they are rejected, and the rest goes on."""
    world = write_world(
        tmp_path / "world", bank=MANY, task={"fields": {"label": "label"}}, near=MANY[:5], far=None
    )
    world.edit(benchmark={"name": "small", "id": "bank/t.yaml", "ood": []})
    file = world.folder / "bank" / "test.jsonl"

    def renamed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{"utterance": row["text"], "label": row["label"]} for row in rows]

    write_jsonl(file, renamed(MANY))
    for verb in ("validate", "run"):
        refused(llmood(verb, world.config), "t.yaml: prompt: no column 'text'", "known: label, utterance")
    write_jsonl(file, [*MANY[:50], *renamed(MANY[50:])])
    outcome = llmood("validate", world.config)
    assert outcome.code == 1
    assert "rejected: test.jsonl:51: no column 'text'" in outcome.out
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 1
    assert "10 rows of bank can't be read" in outcome.out
    write_jsonl(file, [{"text": row["text"]} for row in MANY])
    refused(llmood("validate", world.config), "t.yaml: fields.label: no column 'label'")


def test_a_split_that_is_gone(tmp_path: Path) -> None:
    world: World = write_world(tmp_path / "world", bank={"train": MANY[:30], "test": MANY[30:]})
    (world.folder / "bank" / "train.jsonl").unlink()
    for what in (world.config, world.folder / "bank" / "t.yaml"):
        refused(llmood("validate", what), "only part of the data is there", "train.jsonl")

"""`llmood init`: what it writes is valid as it is, says what was guessed, and never takes anything away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from safetensors.numpy import save_file

from tests.task_files import write_jsonl
from tests.worlds import Outcome, llmood, refused

QUESTIONS = [
    {
        "id": n,
        "question": f"what does item {n} cost in shop {n % 9}?",
        "answer": f"{n} coins",
        "label": "ab"[n % 2],
    }
    for n in range(120)
]
STORIES = [{"text": f"tell me of dragon {n}"} for n in range(30)]
FAKE = (
    "--set",
    "engine={kind: fake}",
    "--set",
    "models.base=fake",
    "--set",
    "models.tuned.model=fake-tuned:cost",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two files in it."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "mine.jsonl", QUESTIONS)
    write_jsonl(tmp_path / "stories.jsonl", STORIES)
    return tmp_path


def read(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def decisions(outcome: Outcome) -> dict[str, tuple[str, str]]:
    return {each["what"]: (each["value"], each["why"]) for each in outcome.json()["decisions"]}


def test_two_files_and_nothing_else() -> None:
    outcome = llmood("init", "mine.jsonl", "--ood", "near:stories.jsonl", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = outcome.json()
    assert found["files"] == ["mine/mine.yaml", "mine/stories.yaml", "mine/config.yaml"]
    assert found["commands"] == [
        f"llmood {verb} mine/config.yaml" for verb in ("validate", "finetune", "run")
    ]
    taken = decisions(outcome)
    assert taken["prompt"] == ("{{ question }}", "its columns")
    assert taken["references"] == ("answer", "its columns")
    assert taken["shift of stories.jsonl"] == ("near", "your option")
    assert taken["group"] == ("none", "its columns")
    # What was written is what a run takes, here with the model that is none.
    valid = llmood("validate", "mine/config.yaml", *FAKE, "--json").json()
    assert valid["rejects"] == []
    assert valid["splits"]["stories"] == 30
    assert [name for name in valid["splits"] if name.startswith("mine.typos.")] == [
        f"mine.typos.{grade}" for grade in range(1, 6)
    ]
    assert (
        valid["prompts"][0]
        == QUESTIONS[int(valid["samples"][0]["source_line"].split(":")[1]) - 1]["question"]
    )
    for task in ("mine/mine.yaml", "mine/stories.yaml"):
        assert llmood("validate", task).code == 0


def test_what_is_printed_says_what_was_guessed_and_what_is_next() -> None:
    outcome = llmood("init", "mine.jsonl", "--ood", "stories.jsonl")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["what", "taken", "from"]
    assert (
        "note: stories.jsonl is taken as far; if it is the same kind of text: --ood near:stories.jsonl"
        in lines
    )
    assert lines[-3:] == [f"  llmood {verb} mine/config.yaml" for verb in ("validate", "finetune", "run")]
    assert outcome.err == ""


def test_options_win_over_guesses() -> None:
    outcome = llmood(
        *("init", "mine.jsonl", "--ood", "covariate:stories.jsonl", "-o", "here", "--name", "shop"),
        *("--prompt", "Q: {{ question }}\\nA:", "--reference-column", "none", "--group-column", "label"),
        *("--label-column", "none", "--base", "someone/model", "--adapters", 2, "--profile", "small"),
        *("--scorers", "likelihood_ratio, length", "--yes"),
    )
    assert outcome.code == 0, outcome
    task, config = read("here/shop.yaml"), read("here/config.yaml")
    assert task["prompt"] == "Q: {{ question }}\nA:"
    assert task["fields"] == {"group": "label", "meta": {"id": "id"}}
    assert read("here/stories.yaml")["prompt"] == "Q: {{ text }}\nA:"  # the same words around it
    assert config["benchmark"]["ood"] == [
        {"task": "stories.yaml", "shift": "covariate"},
        {"corruption": "typos"},
    ]
    assert config["models"]["base"] == "someone/model"
    assert [each["adapter"] for each in config["models"]["tuned"]] == [
        "./adapters/shop-seed0",
        "./adapters/shop-seed1",
    ]
    assert config["finetune"] == {"profile": "small", "loss_on": "text", "seeds": [0, 1]}
    assert config["scorers"] == ["likelihood_ratio", "length"]


def test_an_adapter_that_is_there(home: Path) -> None:
    (home / "tuned").mkdir()
    outcome = llmood("init", "mine.jsonl", "--adapter", "tuned", "--json")
    assert outcome.json()["commands"] == ["llmood validate mine/config.yaml", "llmood run mine/config.yaml"]
    assert read("mine/config.yaml")["models"]["tuned"] == {"adapter": "../tuned"}


def test_files_of_their_own_for_splits(home: Path) -> None:
    for name, rows in (
        ("a_train", QUESTIONS[:80]),
        ("a_dev", QUESTIONS[80:100]),
        ("a_test", QUESTIONS[100:]),
    ):
        write_jsonl(home / f"{name}.jsonl", rows)
    assert llmood("init", "a_{split}.jsonl").code == 0
    assert read("a/a.yaml")["sources"] == [
        {"files": {"train": "../a_train.jsonl", "validation": "../a_dev.jsonl", "test": "../a_test.jsonl"}}
    ]
    assert llmood("validate", "a/a.yaml", "--json").json()["splits"] == {
        "train": 80,
        "validation": 20,
        "test": 20,
    }
    given = ("--train", "a_train.jsonl", "--test", "a_test.jsonl")
    assert llmood("init", *given, "--name", "b").code == 0
    assert set(read("b/b.yaml")["sources"][0]["files"]) == {"train", "test"}


def test_nothing_is_written_over(home: Path) -> None:
    assert llmood("init", "mine.jsonl").code == 0
    (home / "mine" / "config.yaml").write_text("seed: 7\n")
    refused(llmood("init", "mine.jsonl"), "mine/config.yaml", "--force")
    assert read("mine/config.yaml") == {"seed": 7}
    assert llmood("init", "mine.jsonl", "--force").code == 0
    assert "benchmark" in read("mine/config.yaml")


@pytest.mark.parametrize("name", ["config", "benchmark"])
def test_names_that_the_folder_needs_itself(home: Path, name: str) -> None:
    (home / "mine.jsonl").rename(home / f"{name}.jsonl")
    assert llmood("init", f"{name}.jsonl").code == 0
    assert read(f"{name}/config.yaml")["benchmark"]["id"] == f"{name}_task.yaml"
    assert llmood("validate", f"{name}/config.yaml", *FAKE).code == 0


def test_an_ood_file_of_the_same_name(home: Path) -> None:
    (home / "old").mkdir()
    write_jsonl(home / "old" / "mine.jsonl", STORIES)
    assert (
        llmood("init", "mine.jsonl", "--ood", "near:old/mine.jsonl", "--ood", "far:stories.jsonl").code == 0
    )
    assert [ood.get("task") for ood in read("mine/config.yaml")["benchmark"]["ood"]] == [
        "mine_2.yaml",
        "stories.yaml",
        None,
    ]
    assert read("mine/mine_2.yaml")["name"] == "mine_2"


def test_chats_and_plain_questions_go_through_the_same_template(home: Path) -> None:
    turns = [
        {
            "messages": [
                {"role": "user", "content": row["question"]},
                {"role": "assistant", "content": row["answer"]},
            ]
        }
        for row in QUESTIONS
    ]
    write_jsonl(home / "chat.jsonl", turns)
    assert llmood("init", "chat.jsonl", "--ood", "near:stories.jsonl").code == 0
    assert read("chat/chat.yaml")["messages_column"] == "messages"
    assert read("chat/config.yaml")["chat"] is True
    found = llmood("validate", "chat/chat.yaml", "--json").json()
    for sample in found["samples"]:
        row = QUESTIONS[int(sample["source_line"].split(":")[1]) - 1]
        assert (sample["prompt"], sample["references"]) == (f"[user] {row['question']}", [row["answer"]])
    # And the other way round.
    assert llmood("init", "stories.jsonl", "--ood", "near:chat.jsonl").code == 0
    assert read("stories/config.yaml")["chat"] is False


def test_a_base_without_a_chat_template_gets_plain_text(home: Path) -> None:
    write_jsonl(
        home / "chat.jsonl", [{"messages": [{"role": "user", "content": f"why {n}?"}]} for n in range(60)]
    )
    (home / "base").mkdir()
    (home / "base" / "tokenizer_config.json").write_text("{}")
    outcome = llmood("init", "chat.jsonl", "--base", "base", "--json")
    assert read("chat/config.yaml")["chat"] is False
    assert "base has no chat template: the turns are sent as plain text" in outcome.json()["notes"]


def test_without_ood_files_built_in_sets_are_taken_where_they_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = llmood("init", "mine.jsonl", "--json")
    assert read("mine/config.yaml")["benchmark"]["ood"] == [{"corruption": "typos"}]
    assert any("add --ood near:FILE" in note and "LLMOOD_DATA" in note for note in outcome.json()["notes"])
    import gzip

    (home / "data" / "gsm8k").mkdir(parents=True)
    row = {"question": "One and one?", "answer": "1 + 1 = 2 #### 2", "final_answer": "2"}
    (home / "data" / "gsm8k" / "test.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    monkeypatch.setenv("LLMOOD_DATA", str(home / "data"))
    assert decisions(llmood("init", "mine.jsonl", "--force", "--json"))["OOD"] == ("gsm8k", "LLMOOD_DATA")
    assert read("mine/config.yaml")["benchmark"]["ood"][0] == {"task": "gsm8k", "shift": "far"}


def test_the_profile_follows_the_size(home: Path) -> None:
    (home / "base").mkdir()
    (home / "base" / "config.json").write_text("{}")
    save_file({"weight": np.zeros((4, 4), np.float32)}, home / "base" / "model.safetensors")
    assert decisions(llmood("init", "mine.jsonl", "--base", "base", "--json"))["tuning profile"] == (
        "small",
        "its size",
    )
    assert read("mine/config.yaml")["models"]["base"] == "../base"
    taken = decisions(llmood("init", "mine.jsonl", "--base", "someone/model", "--json", "--force"))
    assert taken["tuning profile"] == ("default", "default")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A terminal whose user takes the default, but for what a test puts into `answers`."""
    questions: dict[str, Any] = {}
    answers: dict[str, str] = {}

    def prompt(question: str, *, default: str, err: bool) -> str:
        assert err  # stdout is for results
        questions[question] = default
        return answers.get(question, default)

    monkeypatch.setattr("llmood.cli.asking.on_terminal", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)
    return {"questions": questions, "answers": answers}


def test_on_a_terminal_it_asks_what_no_option_says(asked: dict[str, Any]) -> None:
    asked["answers"] |= {
        "Prompt (a template)": "Question: {{ question }}\\n",
        "Column of the label": "none",
        "Shift of stories.jsonl (near, far, covariate)": "near",
    }
    outcome = llmood("init", "mine.jsonl", "--ood", "stories.jsonl", "--base", "someone/model")
    assert outcome.code == 0, outcome
    assert asked["questions"] == {
        "Name of the task": "mine",
        "Prompt (a template)": "{{ question }}",
        "Column of the references": "answer",
        "Column of the label": "label",
        "Column of the group": "none",
        "Shift of stories.jsonl (near, far, covariate)": "far",
        "Adapter (one that is there, or where to make one)": "./adapters/mine",
        "Tuning profile (small, default)": "default",
    }
    assert read("mine/mine.yaml")["prompt"] == "Question: {{ question }}\n"
    assert "label" not in read("mine/mine.yaml")["fields"]
    assert read("mine/stories.yaml")["prompt"] == "Question: {{ text }}\n"
    assert read("mine/config.yaml")["benchmark"]["ood"][0]["shift"] == "near"


def test_yes_and_json_ask_nothing(asked: dict[str, Any]) -> None:
    assert llmood("init", "mine.jsonl", "--yes").code == 0
    assert llmood("init", "mine.jsonl", "--json", "--force").code == 0
    assert asked["questions"] == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"Prompt (a template)": "{{ qestion }}"}, ("no column 'qestion'", "'question'")),
        ({"Prompt (a template)": "no column"}, ("uses no column",)),
        ({"Column of the label": "lable"}, ("no column 'lable'", "'label'")),
        ({"Tuning profile (small, default)": "tiny"}, ("no tuning profile 'tiny'",)),
        ({"Name of the task": "a/b"}, ("'a/b' is no name",)),
    ],
)
def test_a_wrong_answer_is_one_line(
    asked: dict[str, Any], answer: dict[str, str], words: tuple[str, ...]
) -> None:
    asked["answers"] |= answer
    refused(llmood("init", "mine.jsonl"), *words)
    assert not Path("mine").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("no file is named", "--train")),
        (("mine.jsonl", "--train", "mine.jsonl"), ("--train names a file too",)),
        (("--test", "nowhere.jsonl"), ("--test: no file 'nowhere.jsonl'",)),
        (("min.jsonl",), ("no file 'min.jsonl'", "'mine.jsonl'")),
        (("mine.jsonl", "--ood", "nar:stories.jsonl"), ("no shift 'nar'", "'near'")),
        (("mine.jsonl", "--ood", "near:storys.jsonl"), ("no file 'storys.jsonl'", "'stories.jsonl'")),
        (("mine.jsonl", "--prompt", "{{ qestion }}"), ("--prompt: no column 'qestion'", "'question'")),
        (("mine.jsonl", "--prompt", "{{ question"), ("--prompt: line 1 of the template",)),
        (("mine.jsonl", "--prompt", "{{ question.__class__ }}"), ("--prompt: not allowed in a template",)),
        (("mine.jsonl", "--prompt", "{% include 'x' %}{{ question }}"), ("can't include",)),
        (("mine.jsonl", "--prompt", "{{ id }}"), ("--prompt: can be rendered for no row", "int")),
        (("mine.jsonl", "--text-column", "qestion"), ("--text-column: no column 'qestion'", "'question'")),
        (("mine.jsonl", "--text-column", "id", "--prompt", "{{ id }}"), ("--text-column",)),
        (
            ("mine.jsonl", "--reference-column", "anser"),
            ("--reference-column: no column 'anser'", "'answer'"),
        ),
        (("mine.jsonl", "--label-column", "x"), ("--label-column: no column 'x'",)),
        (("mine.jsonl", "--adapter", "a", "--adapters", "2"), ("--adapters",)),
        (("mine.jsonl", "--profile", "smal"), ("--profile: no profile 'smal'", "'small'")),
        (("mine.jsonl", "--scorers", "likelihood,lenght"), ("--scorers[1]: no scorer 'lenght'", "'length'")),
        (("mine.jsonl", "--name", "../x"), ("--name: '../x' is no name",)),
    ],
)
def test_a_wrong_option_is_one_line_and_writes_nothing(
    home: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    before = sorted(home.rglob("*"))
    refused(llmood("init", *options), *words)
    assert sorted(home.rglob("*")) == before

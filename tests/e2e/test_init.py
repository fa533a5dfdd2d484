"""`llmood init`: what it writes is valid as it is, says what was guessed, and never takes anything away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
import yaml
from safetensors.numpy import save_file

from llmood.cli.initialising import FILE
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


def test_every_column_that_is_mapped_is_said(home: Path) -> None:
    write_jsonl(home / "mine.jsonl", [row | {"domain": "shop", "id": f"q{row['id']}"} for row in QUESTIONS])
    taken = decisions(llmood("init", "mine.jsonl", "--json"))
    assert taken["domain"] == ("domain", "its columns")
    assert taken["id"] == ("id", "its columns")
    assert read("mine/mine.yaml")["fields"]["domain"] == "domain"


def test_where_the_rows_have_answers_a_run_reaches_the_second_question(home: Path) -> None:
    """Is this answer wrong? One greedy answer a prompt says so, as init leaves it."""
    outcome = llmood("init", "mine.jsonl", "--ood", "near:stories.jsonl", "--json")
    assert decisions(outcome)["correctness"] == ("exact_match", "its answers")
    assert read("mine/mine.yaml")["correctness"] == "exact_match"
    assert "correctness" not in read("mine/stories.yaml")
    config = read("mine/config.yaml")
    assert config["correctness"] == "task"
    assert config["scorers"][-2:] == ["sequence_probability.mean", "token_entropy"]
    small = (
        "--limit",
        "20",
        "--set",
        "bootstrap.draws=100",
        "--set",
        "benchmark.ood=[{task: stories.yaml, shift: near}]",
    )
    assert llmood("run", "mine/config.yaml", *FAKE, *small, "-o", "run").code == 0
    records = json.loads((home / "run/metrics.json").read_text(encoding="utf-8"))
    judged = [record for record in records if record["question"] == "error_detection"]
    assert {record["correctness"] for record in judged} == {"exact_match"}
    assert {"sequence_probability.mean", "token_entropy"} <= {record["scorer"] for record in judged}
    index = pq.read_table(home / "run/observations/index.parquet")
    kinds = {name.partition("/")[0] for name in index["capture"].to_pylist()}
    assert kinds == {"prompt_logprobs", "response"}  # nothing is drawn
    assert "Is the answer wrong" in (home / "run/report.html").read_text(encoding="utf-8")


def test_whoever_names_scorers_is_asked_for_no_answers() -> None:
    assert llmood("init", "mine.jsonl", "--scorers", "likelihood").code == 0
    assert "correctness" not in read("mine/config.yaml")
    assert "# correctness: task" in Path("mine/config.yaml").read_text(encoding="utf-8")


def test_labels_alone_are_no_answers_until_they_are_said_to_be(home: Path) -> None:
    write_jsonl(
        home / "mine.jsonl", [{"question": row["question"], "label": row["label"]} for row in QUESTIONS]
    )
    outcome = llmood("init", "mine.jsonl", "--json")
    assert "correctness" not in read("mine/config.yaml")
    assert any("--reference-column label" in note for note in outcome.json()["notes"])
    assert llmood("init", "mine.jsonl", "--reference-column", "label", "--force").code == 0
    assert (read("mine/mine.yaml")["correctness"], read("mine/config.yaml")["correctness"]) == (
        "exact_match",
        "task",
    )


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
    """A terminal whose user takes the default, but for what a test puts into `answers`: one, or a list in turn."""
    questions: dict[str, Any] = {}
    answers: dict[str, str | list[str]] = {}

    def prompt(question: str, *, default: str | None, err: bool) -> str:
        assert err  # stdout is for results
        questions[question] = default
        said = answers.get(question, default)
        answer = said.pop(0) if isinstance(said, list) else said
        assert answer is not None
        return answer

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
    ("question", "wrong", "right", "words"),
    [
        ("Prompt (a template)", "{{ qestion }}", "Q: {{ question }}", ("no column 'qestion'", "'question'")),
        ("Prompt (a template)", "no column", "Q: {{ question }}", ("uses no column",)),
        ("Prompt (a template)", "{{ question", "Q: {{ question }}", ("line 1 of the template",)),
        ("Column of the label", "lable", "none", ("no column 'lable'", "'label'")),
        ("Shift of stories.jsonl (near, far, covariate)", "close", "near", ("no shift 'close'", "near")),
        ("Tuning profile (small, default)", "tiny", "small", ("no tuning profile 'tiny'", "small")),
        ("Name of the task", "a b", "shop", ("'a b' is no name",)),
        ("Name of the task", "gsm8k", "shop", ("'gsm8k' is what an OOD task is called",)),
        ("Name of the task", "there", "shop", ("there/config.yaml: already there", "--force")),
    ],
)
def test_a_wrong_answer_is_asked_again_and_costs_no_other(
    asked: dict[str, Any], question: str, wrong: str, right: str, words: tuple[str, ...]
) -> None:
    Path("there").mkdir()
    Path("there/config.yaml").write_text("seed: 1\n")
    asked["answers"] |= {"Name of the task": "kept", "Column of the group": "id"}
    asked["answers"][question] = [wrong, right]
    outcome = llmood("init", "mine.jsonl", "--ood", "stories.jsonl", "--ood", "near:gsm8k")
    assert outcome.code == 0, outcome
    assert asked["answers"][question] == []
    complaint = next(line for line in outcome.err.splitlines() if words[0] in line)
    for word in words:
        assert word in complaint
    name = "kept" if question != "Name of the task" else right
    assert read(f"{name}/{name}.yaml")["fields"]["group"] == "id"
    assert right in (name, *(value for value, _ in table(outcome).values()))
    assert Path("there/config.yaml").read_text() == "seed: 1\n"


def table(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """The printed table of decisions."""
    lines = outcome.out.splitlines()
    taken, source = lines[0].index("taken"), lines[0].index("from")
    rows = lines[1 : lines.index("")]
    return {line[:taken].strip(): (line[taken:source].strip(), line[source:].strip()) for line in rows}


def test_what_an_option_says_is_no_question_and_stays_an_error(asked: dict[str, Any]) -> None:
    for options in (
        ("--label-column", "lable"),
        ("--profile", "tiny"),
        ("--ood", "close:stories.jsonl"),
        ("--ood", "near:storys.jsonl"),
        ("--name", "a b"),
    ):
        outcome = llmood("init", "mine.jsonl", *options)
        assert outcome.code == 2
        assert outcome.out == ""
    # And what the OOD options get wrong is said before anything is asked.
    asked["questions"].clear()
    refused(llmood("init", "mine.jsonl", "--ood", "storys.jsonl"), "no file 'storys.jsonl'")
    (Path("full")).mkdir()
    (Path("full/config.yaml")).write_text("seed: 1\n")
    refused(llmood("init", "mine.jsonl", "-o", "full"), "full/config.yaml: already there")
    assert asked["questions"] == {}


def test_without_a_file_a_terminal_is_asked_for_it(asked: dict[str, Any]) -> None:
    asked["answers"][FILE] = ["min.jsonl", " mine.jsonl"]
    outcome = llmood("init")
    assert outcome.code == 0, outcome
    assert "no file 'min.jsonl' (did you mean 'mine.jsonl'" in outcome.err
    assert read("mine/mine.yaml")["sources"] == [{"files": {"train": "../mine.jsonl"}}]
    refused(llmood("init", "--yes"), "no file is named")


def test_the_columns_are_shown_before_one_is_asked_for(asked: dict[str, Any]) -> None:
    long = [{"body": f"\x1b[31mred {n}\n" + "word " * 40, "made in": n} for n in range(9)]
    write_jsonl(Path("long.jsonl"), long)
    lines = llmood("init", "long.jsonl").err.splitlines()
    at = lines.index("columns, each with its first cell:")
    assert lines[at + 2] == "  made in  0"
    assert lines[at + 1].startswith("  body     [31mred 0 word word")
    assert lines[at + 1].endswith(" …")
    assert len(lines[at + 1]) < 80
    silent = llmood("init", "long.jsonl", "--yes", "--force")
    assert (silent.code, silent.err) == (0, "")


def test_the_first_prompt_is_shown(home: Path) -> None:
    options = ("--prompt", "Q: {{ question }}\\nA:")
    shown = f"Q: {QUESTIONS[0]['question']}\nA:"
    outcome = llmood("init", "mine.jsonl", *options)
    assert f"--- the first prompt\n{shown}\n---\n" in outcome.out
    assert llmood("init", "mine.jsonl", *options, "--force", "--json").json()["prompt"] == shown
    # A row that can't be rendered is none, and a chat is shown turn by turn.
    write_jsonl(home / "gaps.jsonl", [{"text": None}, {"text": "second"}, {"text": "third"}])
    assert llmood("init", "gaps.jsonl", "--json").json()["prompt"] == "second"
    chats = [{"messages": [{"role": "user", "content": f"why {n}?"}]} for n in range(5)]
    write_jsonl(home / "chat.jsonl", chats)
    assert llmood("init", "chat.jsonl", "--json").json()["prompt"] == "[user] why 0?"


def test_a_built_in_task_is_an_ood_task(home: Path) -> None:
    outcome = llmood("init", "mine.jsonl", "--ood", "near:gsm8k", "--ood", "stories.jsonl", "--json")
    assert outcome.code == 0, outcome
    assert decisions(outcome)["shift of gsm8k"] == ("near", "your option")
    assert read("mine/config.yaml")["benchmark"]["ood"] == [
        {"task": "gsm8k", "shift": "near"},
        {"task": "stories.yaml", "shift": "far"},
        {"corruption": "typos"},
    ]
    assert not (home / "mine" / "gsm8k.yaml").exists()
    # A file of that name is the file, and what is made of it doesn't take the task's name.
    (home / "old").mkdir()
    write_jsonl(home / "old" / "gsm8k.jsonl", STORIES)
    options = ("--ood", "near:gsm8k", "--ood", "far:old/gsm8k.jsonl", "--force")
    assert llmood("init", "mine.jsonl", *options).code == 0
    named = [ood.get("task") for ood in read("mine/config.yaml")["benchmark"]["ood"]]
    assert named == ["gsm8k", "gsm8k_2.yaml", None]
    refused(llmood("init", "mine.jsonl", "--ood", "near:gsm8k", "--name", "gsm8k"), "--name: 'gsm8k'")


def test_what_was_meant_by_an_ood_name(home: Path) -> None:
    (home / "notes.txt").write_text("mine")
    near = llmood("init", "mine.jsonl", "--ood", "near:gsm9k")
    refused(near, "--ood near:gsm9k: no file 'gsm9k', and no task of this name (did you mean 'gsm8k'?)")
    refused(llmood("init", "mine.jsonl", "--ood", "near:xyzzyx"), "(known: mine.jsonl, stories.jsonl)")


@pytest.mark.parametrize("options", [(), ("--reference-column", "none")])
def test_the_answers_of_chats_are_the_references_without_a_column(
    home: Path, options: tuple[str, ...]
) -> None:
    turns = [("user", "why {n}?"), ("assistant", "because {n}")]
    for name, used in (("answered", turns), ("open", turns[:1])):
        rows = [
            {"messages": [{"role": role, "content": said.format(n=n)} for role, said in used]}
            for n in range(60)
        ]
        write_jsonl(home / f"{name}.jsonl", rows)
    answered = llmood("init", "answered.jsonl", *options, "--json")
    assert decisions(answered)["references"] == ("the last assistant turn", "its rows")
    found = llmood("validate", "answered/answered.yaml", "--json").json()
    assert all(sample["references"][0].startswith("because ") for sample in found["samples"])
    assert decisions(llmood("init", "open.jsonl", *options, "--json"))["references"][0] == "none"


def test_on_a_terminal_the_chat_s_answers_are_the_default(asked: dict[str, Any], home: Path) -> None:
    chat = [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "so"}]
    write_jsonl(home / "chat.jsonl", [{"messages": chat, "gold": f"it is {n}"} for n in range(5)])
    assert llmood("init", "chat.jsonl").code == 0
    assert asked["questions"]["Column of the references"] == "gold"
    asked["answers"]["Column of the references"] = "the last assistant turn"
    assert table(llmood("init", "chat.jsonl", "--force"))["references"][0] == "the last assistant turn"
    assert "references" not in read("chat/chat.yaml").get("fields", {})


def test_the_folder_stands_for_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert llmood("init", "mine.jsonl").code == 0
    whole = llmood("validate", "mine/config.yaml", *FAKE, "--json")
    assert (whole.code, whole.json()["configuration"]) == (0, "mine")
    assert llmood("validate", "mine", *FAKE, "--json").json() == whole.json()
    dry = llmood("run", "mine", *FAKE, "--dry-run", "--json")
    assert dry.json() == llmood("run", "mine/config.yaml", *FAKE, "--dry-run", "--json").json()
    # A folder without one is none.
    Path("mine/config.yaml").unlink()
    refused(llmood("run", "mine", *FAKE), "no configuration file 'mine'")


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

"""Prompts that a column holds as chat turns: OpenAI's fine-tuning form, ShareGPT's, LogiEval's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.errors import ConfigError
from llmood.picture_records import Corruptions
from llmood.records import Message
from llmood.tasks import load_task
from llmood.tasks.chat import ChatColumn
from llmood.tasks.corrupted import corrupted
from llmood.tasks.row_errors import RowError
from tests.task_files import write_task


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def assistant(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def load(folder: Path, *rows: Any, column: str = "messages", **keys: Any) -> Any:
    return load_task(
        write_task(
            folder,
            {"test": [row if isinstance(row, dict) else {column: row} for row in rows]},
            prompt=None,
            messages_column=column,
            **keys,
        )
    )


def test_turns_are_the_prompt_and_a_last_answer_is_the_reference(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        [system("Be brief."), user("Why?"), assistant("Because."), user("Really?"), assistant("Yes.")],
        [user("No answer here")],
    )
    first, second = loaded.samples["test"]
    assert first.chat
    assert first.messages == (
        Message("system", "Be brief."),
        Message("user", "Why?"),
        Message("assistant", "Because."),
        Message("user", "Really?"),
    )
    assert first.references == ("Yes.",)
    assert (second.messages, second.references) == ((Message("user", "No answer here"),), ())
    assert loaded.rejects == []


def test_mapped_references_win_over_the_last_turn(tmp_path: Path) -> None:
    rows = [{"messages": [user("a"), assistant("b")], "gold": gold} for gold in ("c", None)]
    first, second = load(tmp_path, *rows, fields={"references": "gold"}).samples["test"]
    assert (first.references, second.references) == (("c",), ())
    assert first.messages == (Message("user", "a"),)


def test_text_in_parts_and_sharegpts_names(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    turns = [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi"}]
    first, second = load(tmp_path, [user(parts)], turns).samples["test"]
    assert first.messages == (Message("user", "one\ntwo"),)
    assert (second.messages, second.references) == ((Message("user", "hello"),), ("hi",))


def test_the_form_of_logieval(tmp_path: Path) -> None:
    """METHODS: `input` is a chat list (instruction, worked examples as system turns, a user turn), `ideal` a letter."""
    rows = [
        {
            "input": [
                system("Instructions: choose one of the options."),
                {"role": "system", "content": "All A are B. Some B are C.\nAnswer: n", "name": "example"},
                user(f"Passage: {word} is tall.\nQuestion: who?\nA. A. {word}\nB. B. Nobody\nAnswer:"),
            ],
            "ideal": letter,
        }
        for word, letter in (("Ann", "A"), ("Bob", "B"))
    ]
    loaded = load(tmp_path, *rows, column="input", fields={"references": "ideal"})
    samples = loaded.samples["test"]
    assert [sample.references for sample in samples] == [("A",), ("B",)]
    assert [message.role for message in samples[0].messages] == ["system", "system", "user"]
    assert samples[1].text.endswith("Answer:")
    assert loaded.rejects == []


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        (None, "wrong type: messages is a NoneType, not a list of turns"),
        ("Why?", "wrong type: messages is a str, not a list of turns"),
        ({"role": "user", "content": "a"}, "wrong type: messages is a dict, not a list of turns"),
        ([], "messages: holds no turn, where the user's is needed"),
        (["Why?"], "wrong type: messages[0] is a str, not a turn"),
        ([{"content": "a"}], "messages[0]: has no 'role'"),
        (
            [{"role": "tool", "content": "a"}],
            "messages[0]: the role 'tool' is none of system, developer, user",
        ),
        ([{"role": 5, "content": "a"}], "messages[0]: the role '5' is none of"),
        ([{"from": "bing", "value": "a"}], "messages[0]: the role 'bing' is none of system, human"),
        ([user(None)], "wrong type: messages[0] says a NoneType, not text"),
        ([user(5)], "wrong type: messages[0] says a int, not text"),
        ([user([{"type": "image_url", "image_url": "x"}])], "messages[0]: has a part that is not text"),
        ([user(["a"])], "messages[0]: has a part that is not text"),
        ([user("  ")], "no text: the prompt is blank"),
        ([user("a"), assistant(" ")], "messages: the assistant's last turn is empty"),
        ([system("a")], "messages: ends with the turn of the system, where the user's is needed"),
        (
            [user("a"), assistant("b"), assistant("c")],
            "messages: ends with the turn of the assistant before the answer, where the user's is needed",
        ),
        ([assistant("b")], "messages: holds no turn before the answer, where the user's is needed"),
        ([user("a"), {**assistant("b"), "tool_calls": [{"id": "1"}]}], "messages[1]: calls a tool"),
        ([user("half \ud800 a pair")], "messages: holds half of a surrogate pair"),
        ([user("nul \0")], "messages: holds a NUL character"),
    ],
)
def test_what_is_no_chat_is_rejected_and_the_rest_goes_on(tmp_path: Path, turns: Any, reason: str) -> None:
    loaded = load(tmp_path, [user("good")], {"messages": turns}, [user("good too")])
    assert [sample.text for sample in loaded.samples["test"]] == ["good", "good too"]
    (reject,) = loaded.rejects
    assert (reject.file, reject.line) == ("test.jsonl", 2)
    assert reject.reason.startswith(reason)


def test_a_missing_column_is_the_yamls_fault(tmp_path: Path) -> None:
    spec = write_task(tmp_path, {"test": [{"messages": [user("a")]}]}, prompt=None, messages_column="mesages")
    with pytest.raises(
        ConfigError, match=r"messages_column: no column 'mesages' \(did you mean 'messages'\?"
    ):
        load_task(spec)


def test_what_turns_say_is_never_a_template(tmp_path: Path) -> None:
    hostile = "{{ 7 * 7 }} {% raw %} {{ ''.__class__.__mro__ }} {{ cycler.__init__.__globals__ }}"
    (sample,) = load(tmp_path, [system(hostile), user(hostile), assistant(hostile)]).samples["test"]
    assert [message.content for message in sample.messages] == [hostile, hostile]
    assert sample.references == (hostile,)


def test_parquet_fills_what_a_turn_lacks_with_nulls(tmp_path: Path) -> None:
    rows = [[{**user("a"), "name": "x", "tool_calls": None}, assistant("b")]]
    pq.write_table(pa.table({"messages": rows}), tmp_path / "test.parquet")
    spec = write_task(
        tmp_path, sources=[{"files": {"test": "test.parquet"}}], prompt=None, messages_column="messages"
    )
    (sample,) = load_task(spec).samples["test"]
    assert (sample.messages, sample.references) == ((Message("user", "a"),), ("b",))


keys = st.sampled_from(["role", "content", "from", "value", "type", "text", "tool_calls"])
leaves = (
    st.none() | st.integers() | st.sampled_from(["user", "assistant", "system", "human", "gpt", "text", "hi"])
)
cells = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)
turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": st.text()}),
    max_size=5,
)


@given(cells | turns)
def test_any_cell_is_a_prompt_that_ends_with_the_user_or_a_reason(cell: Any) -> None:
    column = ChatColumn("m")
    try:
        messages = column.messages({"m": cell})
    except RowError:
        return
    assert messages[-1].role == "user"
    assert {message.role for message in messages} <= {"system", "user", "assistant"}
    said = [str(turn.get("content", turn.get("value"))) for turn in cell]
    assert len(messages) == len(said) - (cell[-1].get("role", cell[-1].get("from")) in ("assistant", "gpt"))


def test_a_corruption_leaves_the_operators_turns_alone(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "You are a helpful assistant of a bank."},
        {"role": "user", "content": "how do I block the card that I lost"},
        {"role": "assistant", "content": "Call this number."},
        {"role": "user", "content": "and how do I order another one"},
    ]
    spec = write_task(tmp_path, {"test": [{"chat": turns}]}, messages_column="chat", prompt=None)
    loaded = load_task(spec, keep_cells=True)
    (made,) = corrupted(loaded, [Corruptions("t", text="typos", text_grade=5)])
    (sample,) = made.samples["test"]
    said = [message.content for message in sample.messages]
    assert said[0] == turns[0]["content"]
    assert said[2] == turns[2]["content"]
    assert said[1] != turns[1]["content"]
    assert said[3] != turns[3]["content"]

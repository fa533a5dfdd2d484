"""How a record of traffic becomes the prompt that a run would make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.detector.form import Form, form_of
from llmood.tasks.row_errors import RowError
from tests.task_files import texts, write_task

CHAT = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "{{ text }}"}]


def form(
    folder: Path, *, answers: bool = False, turns: bool = False, pictures: bool = False, **keys: Any
) -> Form:
    spec = write_task(folder, {"test": texts("a", "b")}, **keys)
    made = form_of(spec, chat=spec.chat, answers=answers, turns=turns, pictures=pictures)
    assert Form.from_json(made.to_json()) == made
    return made


def words(made: Form, record: Any) -> list[str]:
    return [message.content for message in made.read(record, 0).sample.messages]


def test_text_stands_where_the_one_column_is(tmp_path: Path) -> None:
    made = form(tmp_path, prompt="Q: {{ question }}\nA:")
    assert words(made, {"text": "why?"}) == words(made, {"question": "why?"}) == ["Q: why?\nA:"]
    assert words(made, {"prompt": "to the letter"}) == ["to the letter"]
    assert words(made, {"messages": [{"role": "user", "content": "hi"}]}) == ["hi"]


@pytest.mark.parametrize(
    ("keys", "wording"),
    [
        ({"prompt": "{{ text }}"}, None),
        ({"prompt": " {{ text | trim }}\n"}, None),
        ({"prompt": "Q: {{ text }}"}, "Q: {{ text }}"),
        ({"prompt": "{{ text }} {{ more }}"}, "{{ text }} {{ more }}"),
        ({"prompt": None, "messages": CHAT[1:]}, None),
        ({"prompt": None, "messages": CHAT}, "system: be brief\nuser: {{ text }}"),
        ({"prompt": None, "messages_column": "turns"}, None),
    ],
)
def test_what_a_task_adds_to_a_question(tmp_path: Path, keys: dict[str, Any], wording: str | None) -> None:
    assert form(tmp_path, **keys).wording == wording


def test_the_tasks_own_columns_come_first(tmp_path: Path) -> None:
    made = form(tmp_path, prompt="<{{ prompt }}>")
    assert words(made, {"prompt": "a", "text": "b"}) == ["<a>"]
    assert words(made, {"prompt": None, "text": "b"}) == ["<b>"]


@pytest.mark.parametrize("name", ["text", "prompt"])
def test_words_alone_are_no_question_about_a_picture(tmp_path: Path, name: str) -> None:
    made = form(tmp_path, prompt="{{ question }}", fields={"images": "picture"})
    with pytest.raises(
        RowError, match=f"^'{name}' alone is a question without its picture: give the task's col"
    ):
        made.read({name: "what?", "response": "that"}, 0)
    with pytest.raises(RowError, match="no column 'question'"):  # what lacks here is the question
        made.read({name: "what?", "picture": "data:image/png;base64,AAAA"}, 0)
    # A chat is taken as it was sent: where some calibration rows have no picture, it may well have none.
    assert words(made, {"messages": [{"role": "user", "content": "hi"}]}) == ["hi"]


@pytest.mark.parametrize(
    "record",
    [{"text": "what?", "picture": []}, {"messages": [{"role": "user", "content": "what?"}]}],
    ids=["an empty list", "a chat"],
)
def test_no_picture_is_no_question_where_every_row_had_one(tmp_path: Path, record: dict[str, Any]) -> None:
    fields = {"images": "picture"}
    with pytest.raises(RowError, match=r"^picture: is missing, and each calibration row"):
        form(tmp_path, pictures=True, fields=fields).read(record, 0)
    assert words(form(tmp_path, fields=fields), record) == ["what?"]


def test_a_column_is_never_a_template(tmp_path: Path) -> None:
    assert words(form(tmp_path), {"text": "{{ 7 * 7 }}"}) == ["{{ 7 * 7 }}"]


def test_several_columns_need_a_name_each(tmp_path: Path) -> None:
    made = form(tmp_path, prompt="{{ question }} {{ context }}")
    with pytest.raises(RowError, match="made of context, question: give these"):
        made.read({"text": "a"}, 0)
    with pytest.raises(RowError, match="no column 'context'"):
        made.read({"question": "a"}, 0)
    assert words(made, {"question": "a", "context": "b"}) == ["a b"]


def test_fields_that_traffic_lacks_are_left_out(tmp_path: Path) -> None:
    fields = {"label": "intent", "references": "answer", "choices": "options", "meta": {"id": "{{ key }}"}}
    made = form(tmp_path, fields=fields)
    bare = made.read({"text": "a"}, 0).sample
    assert (bare.label, bare.references, bare.choices, bare.meta) == (None, (), (), {})
    some = made.read({"text": "a", "answer": "yes", "options": ["yes", "no"], "key": "k"}, 0).sample
    assert (some.label, some.references, some.choices, some.meta) == (
        None,
        ("yes",),
        ("yes", "no"),
        {"id": "k"},
    )
    with pytest.raises(RowError, match="label is empty"):
        made.read({"text": "a", "intent": " "}, 0)


def test_a_chat_takes_turns_and_knows_its_own_rendering(tmp_path: Path) -> None:
    made = form(tmp_path, prompt=None, messages=CHAT)
    assert words(made, {"text": "hi"}) == ["be brief", "hi"]
    literal = made.read({"prompt": "[user] hi\n[assistant] "}, 0)
    assert literal.literal
    same = made.read({"messages": [{"role": "user", "content": literal.sample.text}]}, 0)
    assert same.sample.text == literal.sample.text
    assert same.sample.sample_id != literal.sample.sample_id
    asking = form(tmp_path, prompt=None, messages=CHAT, turns=True)
    with pytest.raises(RowError, match="give 'messages'"):
        asking.read({"prompt": "[user] hi"}, 0)


def test_a_column_of_turns_takes_a_text_as_one(tmp_path: Path) -> None:
    made = form(tmp_path, prompt=None, messages_column="turns")
    assert words(made, {"text": "hi"}) == ["hi"]


def test_an_answer_is_read_only_where_it_is_looked_at(tmp_path: Path) -> None:
    record = {"text": "a", "response": "yes"}
    assert form(tmp_path).read(record, 0).response is None
    made = form(tmp_path, answers=True)
    assert made.read(record, 0).response == "yes"
    assert made.read({"text": "a", "response": None}, 0).response is None
    for response, why in ((3, "response is an int"), ("a\0", "NUL")):
        with pytest.raises(RowError, match=why):
            made.read({"text": "a", "response": response}, 0)


def test_the_same_question_has_the_same_name(tmp_path: Path) -> None:
    made = form(tmp_path)
    ids = [
        made.read(record, row).sample.sample_id for row, record in enumerate([{"text": "a"}, {"prompt": "a"}])
    ]
    assert ids[0] == ids[1]
    assert made.read({"text": "b"}, 0).sample.sample_id != ids[0]


@pytest.mark.parametrize(
    "record", [None, 3, "text", ["text"], {}, {"text": None}, {"messages": "hi"}, {1: 2}]
)
def test_nonsense_is_a_row_error(tmp_path: Path, record: Any) -> None:
    with pytest.raises(RowError):
        form(tmp_path).read(record, 0)

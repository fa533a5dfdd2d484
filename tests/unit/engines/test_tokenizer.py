"""A folder's tokenizer: only what stands before a text is added, and chat messages get the model's own template."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmood.engines.tokenizer import FolderTokenizer
from llmood.errors import ConfigError
from llmood.records import Message
from tests import tiny_models
from tests.tiny_models import BEGIN, END

A, B = 68, 69


def tokenizer(folder: Path) -> FolderTokenizer:
    return FolderTokenizer(folder, folder, place="models.base")


@pytest.mark.parametrize(
    ("prefix", "suffix", "before"),
    [
        ("<s> ", "", (BEGIN,)),
        ("<s> ", " </s>", (BEGIN,)),
        ("", " </s>", ()),
        ("", "", ()),
        ("<s> <s> ", "", (BEGIN,) * 2),
    ],
)
def test_what_stands_before_is_kept_and_what_ends_a_text_is_not(
    tmp_path: Path, prefix: str, suffix: str, before: tuple[int, ...]
) -> None:
    made = tokenizer(tiny_models.save_tokenizer(tmp_path, prefix=prefix, suffix=suffix))
    assert made.prefix_ids == before
    assert made.encode(["ab", "", "b"], rendered=False) == [(*before, A, B), before, (*before, B)]
    assert made.encode(["ab"], rendered=True) == [(A, B)]
    assert made.encode([], rendered=False) == []


def test_special_tokens_in_a_text_of_the_template_are_tokens(tmp_path: Path) -> None:
    made = tokenizer(tiny_models.save_tokenizer(tmp_path))
    text = made.render([Message("user", "a"), Message("assistant", "b")])
    assert text == "<s>a<turn><s>b<turn>"
    assert made.encode([text], rendered=True) == [(BEGIN, A, 3, BEGIN, B, 3)]
    assert made.decode([BEGIN, A, 3, B, END]) == "ab"
    assert made.has_chat_template


def test_a_template_that_refuses_messages_is_one_line(tmp_path: Path) -> None:
    made = tokenizer(tiny_models.save_tokenizer(tmp_path))
    with pytest.raises(
        ConfigError, match=r"models\.base: its chat template refuses the messages: no system turn"
    ):
        made.render([Message("system", "a")])


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages + 1 }}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content.nothing.at_all }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for m in messages %}",
        "{% for m in messages %}" * 25 + "{% endfor %}" * 25,
    ],
)
def test_a_template_that_fails_is_one_line(tmp_path: Path, template: str) -> None:
    made = tokenizer(tiny_models.save_tokenizer(tmp_path, template=template))
    with pytest.raises(
        ConfigError, match=r"models\.base: its chat template refuses the messages: ."
    ) as caught:
        made.render([Message("user", "a")])
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_a_template(tmp_path: Path) -> None:
    assert not tokenizer(tiny_models.save_tokenizer(tmp_path, template=None)).has_chat_template


def test_end_tokens_come_from_the_tokenizer_and_the_model(tmp_path: Path) -> None:
    folder = tiny_models.save_tokenizer(tmp_path)
    assert tokenizer(folder).end_ids == {END}
    for named, expected in ((7, {END, 7}), ([7, 8], {END, 7, 8}), (None, {END})):
        tiny_models.change_json(folder / "generation_config.json", eos_token_id=named)
        assert tokenizer(folder).end_ids == expected
    for broken in ("{", "[]"):
        (folder / "generation_config.json").write_text(broken)
        with pytest.raises(ConfigError, match=r"generation_config\.json is not a JSON object"):
            _ = tokenizer(folder).end_ids


def test_identity_is_the_content_of_its_files(tmp_path: Path) -> None:
    one, same, other = (
        tiny_models.save_tokenizer(tmp_path / name, template=template)
        for name, template in (("one", "x"), ("same", "x"), ("other", "y"))
    )
    assert tokenizer(one).identity == tokenizer(same).identity
    assert tokenizer(one).identity != tokenizer(other).identity  # the chat template is part of it


def test_a_folder_without_or_with_a_broken_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.base: .* holds no tokenizer"):
        tokenizer(tmp_path)
    folder = tiny_models.save_tokenizer(tmp_path / "t")
    for broken in ('{"model": 3}', '{"model": 3, "added_tokens": []}', "{", ""):
        (folder / "tokenizer.json").write_text(broken)
        with pytest.raises(ConfigError, match=r"models\.base: the tokenizer in .* can't be read") as caught:
            tokenizer(folder).encode(["a"], rendered=False)
        assert "\n" not in str(caught.value)

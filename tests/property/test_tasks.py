from __future__ import annotations

import contextlib
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmood.errors import LlmoodError
from llmood.records import Message, Reject, Sample
from llmood.tasks import load_task
from llmood.tasks.prompt import Template
from llmood.tasks.read import read_rows
from llmood.tasks.row_errors import RowError
from llmood.tasks.splits import carve, draw, fold, leave_train, number_samples, refuse_overlap
from tests.task_files import write_task

# The folder is written anew by each example.
fresh_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

texts = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=30)
plan = {"validation": "train", "calibration": "train", "test": "train"}


def samples(words: list[str], groups: list[str | None] | None = None) -> list[Sample]:
    owners = groups or [None] * len(words)
    return [
        Sample("", "t", "train", (Message("user", word),), group=group)
        for word, group in zip(words, owners, strict=True)
    ]


def ids_by_text(words: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sample in number_samples(samples(words)):
        found.setdefault(sample.text, []).append(sample.sample_id)
    return found


@given(texts, st.randoms(use_true_random=False))
def test_ids_are_unique_and_other_rows_cannot_change_them(words: list[str], random: Any) -> None:
    before = ids_by_text(words)
    assert len({one for ids in before.values() for one in ids}) == len(words)
    shuffled = random.sample(words, len(words))
    assert ids_by_text(shuffled) == before
    kept = random.choice(words)
    assert ids_by_text([word for word in words if word == kept]) == {kept: before[kept]}


@given(texts, texts)
def test_carving_is_disjoint_complete_and_stable_when_rows_are_added(
    words: list[str], more: list[str]
) -> None:
    carved = carve({"train": samples(words)}, plan)
    found = Counter(sample.text for part in carved.values() for sample in part)
    assert found == Counter(words)
    refuse_overlap("t", carved)
    later = carve({"train": samples(words + more)}, plan)
    for split, part in carved.items():
        assert [sample.text for sample in later[split]][: len(part)] == [sample.text for sample in part]


@given(st.lists(st.tuples(st.text(max_size=2), st.sampled_from("abcdefgh")), min_size=1, max_size=40))
def test_a_group_stays_whole(rows: list[tuple[str, str]]) -> None:
    carved = carve({"train": samples([text for text, _ in rows], [group for _, group in rows])}, plan)
    homes: dict[str | None, set[str]] = {}
    for split, part in carved.items():
        for sample in part:
            homes.setdefault(sample.group, set()).add(split)
    assert all(len(splits) == 1 for splits in homes.values())


@given(texts, texts)
def test_what_left_train_is_exactly_what_was_shared(train: list[str], test: list[str]) -> None:
    settled, left = leave_train({"train": samples(train), "test": samples(test)})
    assert [sample.text for sample in settled["train"]] == [word for word in train if word not in set(test)]
    assert left == sum(word in set(test) for word in train)


@given(texts, st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_limits_are_nested(words: list[str], one: int, other: int, seed: int) -> None:
    numbered = number_samples(samples(words))
    few, more = (draw(numbered, limit, seed) for limit in sorted([one, other]))
    assert len(few) == min(one, other, len(words))
    assert [sample for sample in more if sample in few] == few
    assert [sample for sample in numbered if sample in more] == more


@given(st.text())
def test_folding_forgets_what_stands_around(text: str) -> None:
    assert fold(f"  {text}!\n") == fold(text)


cells = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4
)
rows = st.dictionaries(st.sampled_from(["text", "label", "x"]), cells)
good_rows = st.fixed_dictionaries({"text": st.text(max_size=20), "label": st.just("x")})
lines = st.binary(max_size=60) | (rows | good_rows).map(lambda row: json.dumps(row).encode())


@fresh_files
@given(st.lists(lines, max_size=8))
@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz"])
def test_every_line_is_a_row_or_a_reject(tmp_path: Path, name: str, content: list[bytes]) -> None:
    path = tmp_path / name
    data = (b"text,label\n" if "csv" in name else b"") + b"\n".join(content)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    previous = 0
    for item in read_rows(path, name):
        line = item.line if isinstance(item, Reject) else item[0]
        assert previous < line <= data.count(b"\n") + data.count(b"\r") + 1
        previous = line


@fresh_files
@given(st.lists(lines, max_size=8))
def test_loading_never_crashes_and_loses_no_line(tmp_path: Path, content: list[bytes]) -> None:
    content = [line.replace(b"\n", b" ") for line in content]
    spec = write_task(
        tmp_path, {"test": [b'{"text": "first", "label": "y"}', *content]}, fields={"label": "label"}
    )
    loaded = load_task(spec)
    filled = sum(
        bool(line.removeprefix(b"\xef\xbb\xbf" if not n else b"").strip())
        for n, line in enumerate(content, 1)
    )
    assert len(loaded.samples["test"]) + len(loaded.rejects) == filled + 1
    for sample in loaded.samples["test"]:
        sample.text.encode("utf-8")
        assert sample.text.strip()
        assert "\0" not in sample.text


@given(st.text(alphabet="{}%#- |.()[]'\"0123xtefoinrdsl\n", max_size=40), st.text(max_size=5))
def test_any_template_gives_text_or_one_of_our_errors(source: str, value: str) -> None:
    with contextlib.suppress(LlmoodError, RowError):
        assert isinstance(Template(source, place="p").read({"text": value}), str)


@given(st.text(min_size=1).filter(str.strip))
def test_text_comes_through_to_the_letter(text: str) -> None:
    assert Template("{{ text }}", place="p").read({"text": text}) == text

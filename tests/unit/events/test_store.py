from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import numpy as np
import pyarrow.parquet as pq
import pytest

from llmood.errors import ConfigError, StoreError
from llmood.events import SCHEMA, Event, EventStore, growing, read_events
from llmood.events.journal import Head, Journal
from tests.deciding import event, events, kept


def names(folder: Path) -> set[str]:
    """Its files but the lock, and what is being written."""
    return {path.name for path in folder.iterdir() if path.suffix != ".partial"} - {".lock"}


def killed(store: EventStore) -> None:
    """What is left when its process dies: the system lets go of the lock, and nothing else happens."""
    assert store._lock is not None
    store._lock.close()


def failing(name: str, error: int = errno.ENOSPC) -> Callable[[int], None]:
    """A sync that fails for files of that name, as on a full disk: after the bytes were written."""
    honest = os.fsync

    def fsync(descriptor: int) -> None:
        if name in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(error, os.strerror(error))
        honest(descriptor)

    return fsync


def test_what_is_appended_is_there_at_once_and_in_order(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events")
    store.append(events(0, 3))
    store.append([])
    store.append(events(3, 5))
    assert kept(tmp_path / "events") == events(0, 5)
    assert names(tmp_path / "events") == {"journal.jsonl"}
    store.close()
    assert kept(tmp_path / "events") == events(0, 5)
    assert names(tmp_path / "events") == {"journal.jsonl", "000001.parquet"}


def test_the_journal_becomes_segments(tmp_path: Path) -> None:
    with EventStore(tmp_path, rotate_rows=3) as store:
        for place in range(8):
            store.append([event(place)])
        assert names(tmp_path) == {"journal.jsonl", "000001.parquet", "000002.parquet"}
        assert [table.num_rows for table in read_events(tmp_path)] == [3, 3, 2]
    assert kept(tmp_path) == events(0, 8)
    assert pq.read_table(tmp_path / "000002.parquet").schema.equals(SCHEMA)


def test_an_old_journal_becomes_a_segment(tmp_path: Path) -> None:
    with EventStore(tmp_path, rotate_seconds=0.0) as store:
        store.append(events(0, 2))
        assert names(tmp_path) == {"journal.jsonl", "000001.parquet"}


def test_a_journal_is_gone_on_with(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    store.append(events(0, 2))
    killed(store)
    with EventStore(tmp_path) as again:
        again.append(events(2, 4))
    assert kept(tmp_path) == events(0, 4)


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    store = EventStore(tmp_path)
    store.append(events(0, 3))
    killed(store)
    journal = tmp_path / "journal.jsonl"
    os.truncate(journal, journal.stat().st_size - cut)
    assert kept(tmp_path) == events(0, 2)  # a reader waits for nobody
    with EventStore(tmp_path) as again:
        again.append([event(9)])
    assert kept(tmp_path) == [*events(0, 2), event(9)]


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_damaged_line_is_refused(tmp_path: Path, line: int) -> None:
    store = EventStore(tmp_path)
    store.append(events(0, 3))
    killed(store)
    journal = tmp_path / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")
    lines[line - 1] = lines[line - 1].replace(b"e", b"f", 1)
    journal.write_bytes(b"\n".join(lines))
    for use in (EventStore, kept):
        with pytest.raises(
            StoreError, match=rf"journal.jsonl: line {line}: is .*put the folder back"
        ) as told:
            use(tmp_path)
        assert "\n" not in str(told.value)


def test_a_segment_that_was_closed_before_a_kill_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EventStore(tmp_path, rotate_rows=3)

    def die(journal: Journal, head: Head) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "begin", die)
        with pytest.raises(KeyboardInterrupt):
            store.append(events(0, 3))
    killed(store)
    assert names(tmp_path) == {"journal.jsonl", "000001.parquet"}
    assert kept(tmp_path) == events(0, 3)
    with EventStore(tmp_path, rotate_rows=3) as again:
        assert kept(tmp_path) == events(0, 3)
        again.append([event(3)])
    assert kept(tmp_path) == events(0, 4)


def test_what_follows_a_segment_that_could_not_be_closed_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EventStore(tmp_path, rotate_rows=3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(".journal.jsonl."))
        store.append(events(0, 3))
        store.append(events(3, 5))
    assert names(tmp_path) == {"journal.jsonl", "000001.parquet"}  # which has three rows of five
    killed(store)
    assert kept(tmp_path) == events(0, 5)
    EventStore(tmp_path).close()
    assert kept(tmp_path) == events(0, 5)
    assert names(tmp_path) == {"journal.jsonl", "000001.parquet"}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_failed_append_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    with EventStore(tmp_path) as store:
        store.append(events(0, 2))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing("journal.jsonl", error))
            for _ in range(2):
                with pytest.raises(StoreError, match=r"journal.jsonl: can't write: .*make room"):
                    store.append(events(2, 4))
                assert kept(tmp_path) == events(0, 2)
        store.append(events(4, 6))
    assert kept(tmp_path) == [*events(0, 2), *events(4, 6)]


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = os.write
    with EventStore(tmp_path) as store:
        store.append(events(0, 1))
        room = [700]

        def write(descriptor: int, content: memoryview) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done = honest(descriptor, content[: room[0]])
            room[0] -= done
            return done

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write)
            with pytest.raises(StoreError, match="No space left"):
                store.append(events(1, 4))
        assert kept(tmp_path) == events(0, 1)
        store.append(events(4, 5))
    assert kept(tmp_path) == [event(0), event(4)]


def test_a_segment_without_room_costs_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EventStore(tmp_path, rotate_rows=2) as store, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(".parquet"))
        for place in range(5):
            store.append([event(place)])
        assert kept(tmp_path) == events(0, 5)
        assert names(tmp_path) == {"journal.jsonl"}
    assert kept(tmp_path) == events(0, 5)


def test_a_copy_that_breaks_off_is_made_from_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with EventStore(tmp_path, rotate_rows=6) as store:
        store.append(events(0, 2))
        with monkeypatch.context() as patch:
            patch.setattr(growing, "GROUP_ROWS", 2)
            patch.setattr(growing, "write_block", full)
            store.append(events(2, 4))
        assert not list(tmp_path.glob("*.partial"))
        store.append(events(4, 6))
        assert names(tmp_path) == {"journal.jsonl", "000001.parquet"}
        assert kept(tmp_path) == events(0, 6)


def test_a_copy_that_missed_an_append_is_made_from_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with EventStore(tmp_path) as store:
        store.append(events(0, 2))
        with monkeypatch.context() as patch:
            patch.setattr(growing.GrowingSegment, "add", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.append(events(2, 4))
        store.append(events(4, 6))
    assert kept(tmp_path) == events(0, 6)


def test_a_segment_has_several_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "GROUP_ROWS", 3)
    store = EventStore(tmp_path, rotate_rows=10)
    store.append(events(0, 4))
    killed(store)
    with EventStore(tmp_path, rotate_rows=10) as again:
        again.append(events(4, 8))
        again.append(events(8, 10))
        assert pq.read_metadata(tmp_path / "000001.parquet").num_row_groups == 3
    assert kept(tmp_path) == events(0, 10)


def test_what_can_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with EventStore(tmp_path) as store:
        for wrong in (
            {"score": float("nan")},
            {"request_id": None},
            {"time": event(0).time.replace(tzinfo=None)},
        ):
            with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
                store.append([event(0), event(1, **wrong)])
    assert kept(tmp_path) == []


def test_several_threads_append(tmp_path: Path) -> None:
    with EventStore(tmp_path, rotate_rows=7) as store:

        def work(first: int) -> None:
            for place in range(first, first + 20, 2):
                store.append(events(place, place + 2))

        threads = [Thread(target=work, args=(100 * number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = [int(each.event_id[1:]) for each in kept(tmp_path)]
    assert sorted(found) == [100 * number + place for number in range(4) for place in range(20)]
    for number in range(4):
        own = [place for place in found if place // 100 == number]
        assert own == sorted(own)


def test_private_events_hold_no_word(tmp_path: Path) -> None:
    none = {"score": None, "p_value": None, "flag": None}
    secret = event(0, text="xqsecret", reason="wrong type: xqsecret is no text", status="failed", **none)
    other = event(1, text="xqsecret", reason="has none of 'text' or the columns (a, b), but xqsecret")
    with EventStore(tmp_path, private=True) as store:
        store.append([secret, other])
        assert b"xqsecret" not in (tmp_path / "journal.jsonl").read_bytes()
    assert not any(b"xqsecret" in path.read_bytes() for path in tmp_path.iterdir())
    assert kept(tmp_path)[0] == secret.without_text()
    assert kept(tmp_path)[0].text_hash == secret.text_hash
    assert kept(tmp_path)[0].reason == "wrong type"


@pytest.mark.parametrize("text", ["", "a\nb\r\u2028", "half \ud83d", "\x00", "ünï 漢 😀", '","crc":1}'])
def test_any_text_is_the_same_in_the_journal_and_in_a_segment(tmp_path: Path, text: str) -> None:
    store = EventStore(tmp_path)
    store.append([event(0, text=text, text_hash="h")])
    before = kept(tmp_path)
    store.close()
    assert kept(tmp_path) == before
    assert before[0].text == text.replace("\ud83d", "\\ud83d")


def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    with EventStore(tmp_path), pytest.raises(ConfigError, match="another process writes its events here"):
        EventStore(tmp_path)
    EventStore(tmp_path).close()


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        store.append([event(0)])


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not empty and holds no events"):
        EventStore(tmp_path)
    assert names(tmp_path) == {"run.json"}
    assert not (tmp_path / ".lock").exists()
    with pytest.raises(ConfigError, match="can't be written"):
        EventStore(tmp_path / "run.json")


@pytest.mark.parametrize("what", ["nothing", "empty", "file"])
def test_what_is_no_store_is_not_read(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "events"
    if what == "empty":
        folder.mkdir()
    elif what == "file":
        folder.write_text("")
    with pytest.raises(ConfigError, match=r"events: (holds no events|is no folder) \(name the folder"):
        kept(folder)


def three_segments(folder: Path) -> None:
    with EventStore(folder, rotate_rows=2) as store:
        for place in range(6):
            store.append([event(place)])


def test_the_oldest_segments_may_go(tmp_path: Path) -> None:
    three_segments(tmp_path)
    (tmp_path / "000001.parquet").unlink()
    assert kept(tmp_path) == events(2, 6)


@pytest.mark.parametrize("number", [2, 3])
def test_one_between_may_not(tmp_path: Path, number: int) -> None:
    three_segments(tmp_path)
    (tmp_path / f"00000{number}.parquet").unlink()
    with pytest.raises(StoreError, match=rf"00000{number}.parquet: is missing"):
        kept(tmp_path)


def test_a_journal_that_is_gone_is_missed(tmp_path: Path) -> None:
    three_segments(tmp_path)
    (tmp_path / "journal.jsonl").unlink()
    with pytest.raises(StoreError, match=r"journal.jsonl: is missing"):
        EventStore(tmp_path)


@pytest.mark.parametrize("damage", ["byte", "half", "empty", "other"])
def test_a_damaged_segment_is_refused(tmp_path: Path, damage: str) -> None:
    three_segments(tmp_path)
    path = tmp_path / "000002.parquet"
    content = path.read_bytes()
    other = (tmp_path / "000001.parquet").read_bytes()
    flipped = bytearray(content)
    flipped[60] ^= 1
    path.write_bytes(
        {"byte": bytes(flipped), "half": content[: len(content) // 2], "empty": b"", "other": other}[damage]
    )
    with pytest.raises(StoreError, match=r"000002.parquet: .*put the folder back") as told:
        kept(tmp_path)
    assert "\n" not in str(told.value)


def test_no_change_of_a_file_goes_unnoticed(tmp_path: Path) -> None:
    store = EventStore(tmp_path, rotate_rows=3)
    store.append(events(0, 3))
    store.append(events(3, 5))
    killed(store)
    generator = np.random.default_rng(0)
    for name in ("000001.parquet", "journal.jsonl"):
        content = (tmp_path / name).read_bytes()
        for place in generator.integers(
            len(content) - 1, size=150
        ).tolist():  # without its last newline a line is torn
            changed = bytearray(content)
            changed[place] ^= 1 << int(generator.integers(8))
            (tmp_path / name).write_bytes(bytes(changed))
            with pytest.raises((StoreError, ConfigError), match=r"000001.parquet|journal.jsonl") as told:
                kept(tmp_path)
            assert "\n" not in str(told.value)
        (tmp_path / name).write_bytes(content)
    assert kept(tmp_path) == events(0, 5)


def test_a_reader_beside_a_writer_sees_all_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged = [0]
    done = Flag()
    store = EventStore(tmp_path, rotate_rows=10)

    def write() -> None:
        while not done.is_set():
            first = acknowledged[0]
            store.append(events(first, first + 3))
            acknowledged[0] = first + 3

    thread = Thread(target=write)
    thread.start()
    try:
        for _ in range(40):
            before = acknowledged[0]
            found = kept(tmp_path)
            assert len(found) >= before
            assert [each.event_id for each in found] == [f"e{place}" for place in range(len(found))]
    finally:
        done.set()
        thread.join()
        store.close()
    assert acknowledged[0] > 40


def test_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text(
        json.dumps({"llmood_events": 2, "segment": 1, "before": None}) + "\n"
    )
    for use in (EventStore, kept):
        with pytest.raises(ConfigError, match="is of format 2, this llmood reads 1"):
            use(tmp_path)


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    EventStore(tmp_path).close()
    (tmp_path / ".000001.parquet.1-abcd.partial").write_bytes(b"half")
    EventStore(tmp_path).close()
    assert {path.name for path in tmp_path.iterdir()} == {"journal.jsonl", ".lock"}


def test_an_event_is_the_same_as_json(tmp_path: Path) -> None:
    assert Event.from_json(json.loads(json.dumps(event(3).to_json()))) == event(3)
    with pytest.raises(ValueError, match="an event has the keys"):
        Event.from_json({"event_id": "e"})

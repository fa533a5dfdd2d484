"""Whatever happens to the process that writes it, a store holds what was acknowledged, in order, once."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from llmood.errors import StoreError
from llmood.events import EventStore
from llmood.events.journal import Journal, _line
from tests.deciding import event, events, kept

ROWS = st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), ROWS),
        st.tuples(st.just("fail"), ROWS),
        st.tuples(st.just("torn"), st.integers(1, 300)),
        st.tuples(st.just("rotation"), st.sampled_from(["segment", "journal"])),
        st.tuples(st.sampled_from(["kill", "close"]), st.just(0)),
    ),
    max_size=12,
)


class Killed(BaseException):
    """No code of a killed process runs on."""


@contextmanager
def syncs_fail(name: str, error: BaseException) -> Iterator[None]:
    honest = os.fsync

    def fsync(descriptor: int) -> None:
        if name in Path(f"/proc/self/fd/{descriptor}").readlink().name:
            raise error
        honest(descriptor)

    with mock.patch.object(os, "fsync", fsync):
        yield


def die(store: EventStore) -> None:
    assert store._lock is not None
    store._lock.close()


@given(steps=STEPS, rotate=st.integers(2, 6))
def test_exactly_what_was_acknowledged(steps: list[tuple[str, int | str]], rotate: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        acknowledged, place = [], 0
        store = EventStore(folder, rotate_rows=rotate)
        for step, how in steps:
            some = events(place, place + (how if isinstance(how, int) else rotate))
            place += len(some)
            if step == "append":
                store.append(some)
                acknowledged += some
            elif step == "fail":
                full = OSError(errno.ENOSPC, "full")
                with syncs_fail("journal.jsonl", full):
                    try:
                        store.append(some)
                        raise AssertionError("it was acknowledged")
                    except StoreError:
                        pass
            elif step == "torn":
                with (folder / "journal.jsonl").open("ab") as stream:
                    stream.write(_line(event(place))[: int(how)])
                die(store)
                store = EventStore(folder, rotate_rows=rotate)
            elif step == "rotation":
                killed = (
                    syncs_fail(".parquet", Killed())
                    if how == "segment"
                    else mock.patch.object(Journal, "begin", side_effect=Killed())
                )
                with killed:
                    try:
                        store.append(some)  # on disk before the rotation that kills it
                    except Killed:
                        die(store)
                acknowledged += some
                store = EventStore(folder, rotate_rows=rotate)
            else:
                die(store) if step == "kill" else store.close()
                store = EventStore(folder, rotate_rows=rotate)
            assert kept(folder) == acknowledged
        store.close()
        assert kept(folder) == acknowledged

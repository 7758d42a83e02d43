from __future__ import annotations

import asyncio
import os
import time

import pytest

from engine.errors import InvalidInput
from engine.events import Event
from engine.options import EventFilter
from engine.store import journal as journal_module
from engine.store.journal import LINE_LIMIT, Journal, JournalReader, encode_line


def event(number: int = 0, **changes: object) -> Event:
    fields: dict[str, object] = {"time": number, "type": "container", "action": "start", "id": f"id{number}"}
    return Event(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(str(tmp_path / "events.jsonl"))


async def past(journal: Journal, **wanted: object) -> list[int]:
    return [found.time async for found in journal.read(EventFilter(follow=False, **wanted))]


async def next_of(reader: JournalReader) -> Event:
    return await asyncio.wait_for(anext(reader), 5)


async def test_what_was_appended_is_read_in_order(journal):
    for number in range(5):
        assert journal.append(event(number))
    assert await past(journal) == [0, 1, 2, 3, 4]


async def test_an_empty_journal_ends_at_once(journal):
    assert await past(journal) == []


async def test_since_and_until_are_inclusive(journal):
    for number in range(5):
        journal.append(event(number))
    assert await past(journal, since=1, until=3) == [1, 2, 3]


async def test_follow_begins_at_the_call_not_at_the_first_read(journal):
    journal.append(event(1))
    reader = journal.read(EventFilter())
    journal.append(event(2))
    assert (await next_of(reader)).time == 2
    await reader.aclose()


async def test_a_waiting_follower_is_woken(journal):
    reader = journal.read(EventFilter())
    waiting = asyncio.ensure_future(next_of(reader))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    journal.append(event(7))
    assert (await waiting).time == 7
    await reader.aclose()


async def test_follow_with_since_gives_the_past_first(journal):
    journal.append(event(1))
    reader = journal.read(EventFilter(since=0))
    journal.append(event(2))
    assert [(await next_of(reader)).time, (await next_of(reader)).time] == [1, 2]
    await reader.aclose()


async def test_a_future_until_ends_the_following(journal):
    reader = journal.read(EventFilter(until=time.time_ns() + 100_000_000))
    assert [found async for found in reader] == []


async def test_a_torn_line_is_skipped_and_the_next_is_not_lost(journal, tmp_path):
    journal.append(event(1))
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(encode_line(event(2))[:20])
    journal.append(event(3))
    assert await past(journal) == [1, 3]


async def test_foreign_lines_are_skipped(journal, tmp_path):
    (tmp_path / "events.jsonl").write_bytes(b'\xff\xfe\n\n{"a":1}\n[]\n')
    journal.append(event(3))
    assert await past(journal) == [3]


async def test_a_line_that_grows_in_two_writes_is_read_once_whole(journal, tmp_path):
    line = encode_line(event(4))
    reader = journal.read(EventFilter())
    with open(tmp_path / "events.jsonl", "ab", buffering=0) as file:
        file.write(line[:10])
        waiting = asyncio.ensure_future(next_of(reader))
        await asyncio.sleep(0.05)
        file.write(line[10:])
    assert (await waiting).time == 4
    await reader.aclose()


def test_long_attributes_are_cut_to_fit_one_line():
    line = encode_line(event(attributes={"name": "n" * 9000, "image": "i" * 9000}))
    assert len(line) <= LINE_LIMIT
    assert b'"name":"nnn' in line


def test_very_many_attributes_still_fit_one_line():
    attributes = {f"{number}" * 50: "x" for number in range(500)}
    line = encode_line(event(attributes={**attributes, "name": "kept"}))
    assert len(line) <= LINE_LIMIT
    assert b'"name":"kept"' in line


async def test_a_follower_survives_rotations(journal, monkeypatch):
    monkeypatch.setattr(journal_module, "ROTATE_AT", 1000)
    reader = journal.read(EventFilter())
    seen = []
    for number in range(200):
        journal.append(event(number))
        if number % 3 == 0:
            seen += [(await next_of(reader)).time for _ in range(1 if number == 0 else 3)]
    await reader.aclose()
    assert seen == list(range(199))


async def test_the_journal_stays_bounded(journal, monkeypatch, tmp_path):
    monkeypatch.setattr(journal_module, "ROTATE_AT", 1000)
    for number in range(500):
        journal.append(event(number))
    assert sum(entry.stat().st_size for entry in os.scandir(tmp_path)) < 2500


async def test_history_spans_a_rotation(journal, monkeypatch):
    monkeypatch.setattr(journal_module, "ROTATE_AT", 1000)
    for number in range(20):
        journal.append(event(number))
    found = await past(journal)
    assert found == list(range(found[0], 20))
    assert len(found) > 10


async def test_a_writer_that_opened_the_file_before_a_rotation_is_heard(journal, tmp_path, monkeypatch):
    reader = journal.read(EventFilter())
    with open(tmp_path / "events.jsonl", "ab", buffering=0) as late:
        monkeypatch.setattr(journal_module, "ROTATE_AT", 0)
        journal.append(event(1))
        assert (await next_of(reader)).time == 1
        late.write(encode_line(event(2)))
    assert (await next_of(reader)).time == 2
    await reader.aclose()


async def test_many_processes_append_whole_lines(journal, tmp_path):
    script = (
        "import sys; from engine.store.journal import Journal; from engine.events import Event\n"
        "for n in range(300): Journal(sys.argv[1]).append("
        "Event(time=n, type='container', action='start', id=sys.argv[2], attributes={'pad': 'x' * 900}))"
    )
    import sys

    path = str(tmp_path / "events.jsonl")
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, path, str(number))
        for number in range(3)
    ]
    assert [await process.wait() for process in started] == [0, 0, 0]
    assert len(await past(journal)) == 900


def test_a_full_disk_does_not_raise(tmp_path):
    assert Journal(str(tmp_path / "absent" / "events.jsonl")).append(event()) is False
    assert Journal("/dev/full").append(event()) is False


async def test_a_follower_ends_when_its_root_is_removed(tmp_path):
    import shutil

    folder = tmp_path / "root"
    folder.mkdir()
    reader = Journal(str(folder / "events.jsonl")).read(EventFilter())
    waiting = asyncio.ensure_future(next_of(reader))
    await asyncio.sleep(0.02)
    shutil.rmtree(folder)
    with pytest.raises(StopAsyncIteration):
        await waiting


def test_an_unknown_filter_is_named(journal):
    with pytest.raises(InvalidInput, match="invalid filter 'colour'"):
        journal.read(EventFilter(filters={"colour": ("red",)}))


async def test_a_dropped_reader_gives_its_descriptors_back(journal):
    before = len(os.listdir("/proc/self/fd"))
    journal.read(EventFilter())
    assert len(os.listdir("/proc/self/fd")) == before

from __future__ import annotations

import os

import pytest

from engine.events import (
    BuildPlanned,
    BuildStep,
    LayerProgress,
    Message,
    ProgressFact,
    StepFinished,
    StepOutput,
)
from engine.store import job_progress
from engine.store.job_progress import ProgressReader, ProgressWriter


@pytest.fixture
def path(tmp_path) -> str:
    file = tmp_path / "progress.jsonl"
    file.touch()
    return str(file)


def written(path: str, *facts: ProgressFact) -> list[ProgressFact]:
    writer = ProgressWriter(path)
    for fact in facts:
        writer(fact)
    writer.close()
    return everything(path)


def everything(path: str) -> list[ProgressFact]:
    reader = ProgressReader(path)
    try:
        return list(reader.facts())
    finally:
        reader.close()


def output(content: bytes, index: int = 0) -> StepOutput:
    return StepOutput(index=index, stream="stdout", content=content)


def test_every_kind_of_fact_comes_back_as_it_was(path):
    step = BuildStep(index=0, name="[1/1] RUN x", stage="0", line=2, instruction="RUN")
    facts = (BuildPlanned(steps=(step,)), output(b"\xff\x00\n"), Message(text="[/red] ä"))
    assert tuple(written(path, *facts)) == facts


def test_a_reader_goes_on_where_it_stopped(path):
    writer, reader = ProgressWriter(path), ProgressReader(path)
    writer(Message(text="one"))
    assert list(reader.facts()) == [Message(text="one")]
    writer(Message(text="two"))
    assert list(reader.facts()) == [Message(text="two")]
    writer.close()
    reader.close()


def test_a_flood_of_output_is_cut_in_the_middle(path, monkeypatch):
    monkeypatch.setattr(job_progress, "HEAD", 1000)
    monkeypatch.setattr(job_progress, "TAIL", 500)
    flood = [output(b"%04d" % number * 25) for number in range(1000)]
    found = written(path, *flood, StepFinished(index=0, seconds=1, cached=False))
    contents = [fact.content for fact in found if isinstance(fact, StepOutput)]
    assert contents[0].startswith(b"0000")
    assert b"bytes of output left out" in contents[10]
    assert contents[-1].startswith(b"0999")
    assert os.path.getsize(path) < 10_000


def test_the_size_that_is_left_out_is_true(path, monkeypatch):
    monkeypatch.setattr(job_progress, "HEAD", 100)
    monkeypatch.setattr(job_progress, "TAIL", 100)
    found = written(
        path, *[output(b"x" * 100) for _ in range(10)], StepFinished(index=0, seconds=1, cached=False)
    )
    contents = [fact.content for fact in found if isinstance(fact, StepOutput)]
    kept = sum(len(content) for content in contents if content.startswith(b"x"))
    assert f"{1000 - kept} bytes".encode() in contents[1]


def test_the_tail_is_written_when_the_job_ends_within_a_step(path, monkeypatch):
    monkeypatch.setattr(job_progress, "HEAD", 0)
    assert output(b"last words") in written(path, output(b"last words"))


def test_layer_progress_is_thinned_but_its_end_is_not(path):
    steps = [LayerProgress(layer="a", phase="unpack", done=number, total=1000) for number in range(1000)]
    end = LayerProgress(layer="a", phase="done", done=1000, total=1000)
    found = written(path, *steps, end)
    assert len(found) < 50
    assert found[-1] == end


def test_lines_of_another_release_are_skipped(path):
    with open(path, "wb") as file:
        file.write(b'{"type":"FromTheFuture","x":1}\n')
    assert written(path, Message(text="known")) == [Message(text="known")]


def test_a_layer_s_next_phase_is_told_at_once(path):
    steps = [LayerProgress(layer="a", phase=phase, done=1) for phase in ("waiting", "download", "unpack")]
    assert written(path, *steps) == steps

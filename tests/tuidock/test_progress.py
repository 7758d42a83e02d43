from __future__ import annotations

from engine.events import (
    BuildFinished,
    BuildPlanned,
    BuildStep,
    LayerProgress,
    Message,
    ProgressFact,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)
from tuidock.progress import JobProgress


def _steps(*names: str) -> BuildPlanned:
    steps = tuple(
        BuildStep(index=index, name=name, stage="", line=index + 1, instruction=name)
        for index, name in enumerate(names)
    )
    return BuildPlanned(steps=steps)


def _folded(*facts: ProgressFact) -> JobProgress:
    progress = JobProgress("1")
    for fact in facts:
        progress.fold(fact)
    return progress


def _states(progress: JobProgress) -> list[str]:
    return [step.status for step in progress.steps.values()]


def test_steps_go_from_waiting_to_done():
    progress = _folded(
        _steps("FROM busybox", "RUN a", "RUN b", "RUN c"),
        StepStarted(index=0),
        StepFinished(index=0, seconds=0.1, cached=True),
        StepStarted(index=1),
        StepFinished(index=1, seconds=2.0, cached=False),
        StepStarted(index=2),
    )
    assert _states(progress) == ["cached", "done", "running", "waiting"]
    assert progress.current == 2


def test_a_step_s_row_says_its_cache_mark_and_time():
    progress = _folded(
        _steps("FROM busybox", "RUN a"),
        StepFinished(index=0, seconds=0.1, cached=True),
        StepFinished(index=1, seconds=75.0, cached=False),
    )
    assert [row.cells for row in progress.rows()] == [
        ("✓ cached", "", "FROM busybox"),
        ("✓ done", "75s", "RUN a"),
    ]


def test_output_belongs_to_its_step():
    progress = _folded(_steps("RUN a", "RUN b"), StepOutput(index=1, stream="stderr", content=b"x\n"))
    assert progress.steps[0].output == []
    assert progress.steps[1].output == [("stderr", b"x\n")]


def test_the_failing_step_is_known_with_its_exit_code():
    progress = _folded(_steps("RUN a"), StepFailed(index=0, seconds=1, exit_code=3, reason="exit code: 3"))
    assert progress.failing is progress.steps[0]
    assert progress.failing.exit_code == 3


def test_a_cancelled_job_s_running_step_was_cut_off():
    progress = _folded(_steps("RUN a", "RUN b"), StepStarted(index=0))
    progress.end()
    assert _states(progress) == ["cancelled", "waiting"]


def test_a_step_keeps_only_the_last_of_its_output():
    progress = _folded(_steps("RUN yes"))
    for number in range(1000):
        progress.fold(StepOutput(index=0, stream="stdout", content=b"%04d" % number * 1024))
    kept = b"".join(content for _, content in progress.steps[0].output)
    assert len(kept) <= 260 * 1024
    assert kept.endswith(b"0999")


def test_layers_are_folded_into_their_last_state():
    facts = [LayerProgress(layer="sha256:aa", phase="read", done=done, total=100) for done in (1, 50)]
    progress = _folded(*facts, LayerProgress(layer="sha256:bb", phase="waiting", done=0))
    states = [(layer.layer, layer.phase, layer.done, layer.total) for layer in progress.transfers.all]
    assert states == [("sha256:aa", "read", 50, 100), ("sha256:bb", "waiting", 0, 0)]


def test_a_layer_that_was_on_its_way_when_the_job_ended_was_cut_off():
    progress = _folded(LayerProgress(layer="sha256:aa", phase="download", done=1, total=100))
    progress.end()
    assert [layer.phase for layer in progress.transfers.all] == ["ended"]


def test_the_built_image_is_remembered():
    progress = _folded(Message(text="hi"), BuildFinished(image_id="sha256:abc", tags=("a:1",), seconds=1))
    assert progress.image_id == "sha256:abc"


def test_a_running_step_that_is_heard_of_late_has_run_since_those_before_it():
    progress = JobProgress("1", age=60.0)
    for fact in (
        _steps("FROM", "RUN"),
        StepStarted(index=0),
        StepFinished(index=0, seconds=20.0, cached=False),
        StepStarted(index=1),
    ):
        progress.fold(fact)
    assert progress.rows()[1].cells[1] == "40s"


def test_a_step_that_was_cut_off_lasted_no_longer_than_its_job():
    progress = JobProgress("1", age=5.0)
    for fact in (_steps("RUN"), StepStarted(index=0)):
        progress.fold(fact)
    progress.end()
    assert progress.rows()[0].cells[:2] == ("■ ended", "5.0s")

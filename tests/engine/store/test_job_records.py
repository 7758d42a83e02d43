from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from engine.errors import NotFound, StoreFailure
from engine.records import Job
from engine.store.job_records import JobFolder, JobProcess, JobRequest

REQUEST = JobRequest(id="ab12", verb="build", title="build .", started_at=5, options=msgspec.Raw(b'{"a":1}'))


@pytest.fixture
def folder(tmp_path) -> JobFolder:
    made = JobFolder(str(tmp_path / "jobs" / "ab12"))
    made.create(REQUEST)
    return made


def test_the_request_comes_back(folder):
    request = folder.request()
    assert (request.id, request.verb, bytes(request.options)) == ("ab12", "build", b'{"a":1}')


def test_a_job_whose_lock_is_held_is_running(folder):
    lock = folder.lock()
    assert folder.job().status == "running"
    os.close(lock)


def test_a_job_without_lock_and_result_was_interrupted(folder):
    job = folder.job()
    assert (job.status, job.error.split(":")[0], job.finished_at > 0) == ("failed", "interrupted", True)


def test_the_lock_passes_on_without_a_gap(folder):
    starter, job = folder.lock(), folder.lock()
    os.close(starter)
    assert folder.locked()
    os.close(job)
    assert not folder.locked()


def test_asking_for_the_lock_does_not_release_our_own(folder):
    lock = folder.lock()
    assert folder.locked()
    assert folder.locked()
    os.close(lock)


def test_another_process_sees_the_lock(folder):
    lock = folder.lock()
    code = (
        "import sys; from engine.store.job_records import JobFolder; print(JobFolder(sys.argv[1]).locked())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, folder.path], capture_output=True, text=True, check=True
    )
    os.close(lock)
    assert run.stdout == "True\n"


def test_the_result_wins_over_the_lock(folder):
    lock = folder.lock()
    folder.put_result(Job(id="ab12", verb="build", title="t", status="done", started_at=5))
    assert folder.job().status == "done"
    os.close(lock)


def test_the_process_is_unknown_until_it_is_put(folder):
    assert folder.process() is None
    folder.put_process(JobProcess(pid=7, start_time=9))
    assert folder.process() == JobProcess(pid=7, start_time=9)


def test_a_removed_job_is_not_found(folder):
    folder.remove()
    assert not os.path.exists(folder.path)
    with pytest.raises(NotFound):
        folder.request()


def test_a_folder_that_cannot_be_made_is_a_store_failure(tmp_path):
    (tmp_path / "jobs").write_text("a file in the way")
    with pytest.raises(StoreFailure):
        JobFolder(str(tmp_path / "jobs" / "x")).create(REQUEST)

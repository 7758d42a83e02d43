from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import time

import pytest

pytestmark = pytest.mark.root


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text('FROM busybox\nCOPY hello /hello\nCMD ["cat", "/hello"]\n')
    (folder / "hello").write_text("hello from a file\n")
    return folder


def test_images_lists_what_is_there(tuidock):
    header, row = tuidock.ok("images").splitlines()
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert row.split()[:2] == ["busybox", "latest"]


def test_hello_world_is_made_and_run_offline(tuidock):
    assert tuidock.ok("image", "bootstrap", "hello-world") == "Made image: hello-world:latest\n"
    assert "Hello from" in tuidock.ok("run", "--rm", "--network", "none", "hello-world")


def test_tag_and_remove_in_dockers_words(tuidock):
    tuidock.ok("tag", "busybox", "other:1")
    assert tuidock.ok("rmi", "other:1") == "Untagged: other:1\n"
    run = tuidock("image", "rm", "-f", "nosuch")
    assert (run.returncode, run.stderr.splitlines()[0]) == (0, "tuidock: No such image: nosuch:latest")
    assert tuidock("rmi", "nosuch").returncode == 1


def test_save_pipes_into_load(tuidock):
    archive = subprocess.run(
        tuidock.argv("save", "busybox"), env=tuidock.environ, capture_output=True, check=True
    ).stdout
    tuidock.ok("rmi", "busybox")
    assert tuidock.ok("load", stdin=archive) == "Loaded image: busybox:latest\n"
    assert tuidock.ok("run", "--rm", "--network", "none", "busybox", "echo", "again") == "again\n"


def test_a_corrupt_archive_is_one_line(tuidock):
    run = tuidock("load", stdin=b"no archive at all" * 100)
    assert run.returncode == 1
    assert run.stderr.startswith("tuidock: ")
    assert "Traceback" not in run.stderr


def test_a_save_that_fails_leaves_no_file(tuidock, tmp_path):
    assert tuidock("save", "-o", f"{tmp_path}/x.tar", "nosuch").returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_export_and_import(tuidock, tmp_path):
    tuidock.ok("create", "--name", "box", "busybox")
    tuidock.ok("export", "-o", f"{tmp_path}/tree.tar", "box")
    assert tuidock.ok("import", f"{tmp_path}/tree.tar", "imported:1").startswith("sha256:")
    assert tuidock.ok("run", "--rm", "--network", "none", "imported:1", "echo", "hi") == "hi\n"


def test_build_prints_plain_steps_and_the_image_runs(tuidock, context):
    run = tuidock("build", "-t", "built:1", str(context))
    assert (run.returncode, run.stdout) == (0, "")
    lines = run.stderr.splitlines()
    assert lines[0] == "#1 [1/2] FROM busybox"
    assert "#2 [2/2] COPY hello /hello" in lines
    assert lines[-1] == "naming to built:1"
    assert tuidock.ok("run", "--rm", "--network", "none", "built:1") == "hello from a file\n"


def test_a_second_build_is_cached_and_quiet_prints_the_id(tuidock, context, tmp_path):
    first = tuidock.ok("build", "-q", "--iidfile", f"{tmp_path}/iid", str(context))
    assert (tmp_path / "iid").read_text() == first.strip()
    assert "#2 CACHED" in tuidock("build", str(context)).stderr.splitlines()


def test_a_failing_step_names_line_code_and_output(tuidock, context):
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo last words; exit 3\n")
    run = tuidock("build", str(context), cwd="/")
    assert run.returncode == 1
    lines = run.stderr.splitlines()
    assert "   2 | >>> RUN echo last words; exit 3" in lines
    assert "last words" in lines
    assert lines[-1].endswith("did not complete successfully: exit code: 3")
    assert tuidock.ok("ps", "-aq") == ""


def test_a_syntax_error_has_a_caret(tuidock, context):
    (context / "Dockerfile").write_text("FROM busybox\nRUNN true\n")
    run = tuidock("build", str(context))
    assert run.returncode == 1
    assert run.stderr.splitlines()[1:3] == ["RUNN true", "^^^^"]


def test_the_dockerfile_may_come_through_a_pipe(tuidock, context):
    out = tuidock.ok("build", "-q", "-f", "-", str(context), stdin=b"FROM busybox\nCOPY hello /other\n")
    assert out.startswith("sha256:")
    assert tuidock.ok("build", "-q", "-", stdin=b"FROM busybox\nLABEL a=b\n").startswith("sha256:")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_the_context_may_come_through_a_pipe(tuidock, context, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        archive.add(context, arcname=".")
    assert tuidock.ok("build", "-q", "-", stdin=buffer.getvalue()).startswith("sha256:")


def test_history_shows_the_instructions(tuidock, context):
    tuidock.ok("build", "-t", "built:1", str(context))
    rows = tuidock.ok("history", "--format", "{{.CreatedBy}}", "built:1").splitlines()
    assert rows[0].startswith("CMD")
    assert rows[1].startswith("COPY hello /hello")


def test_volumes_and_networks_are_made_listed_and_removed(tuidock):
    assert tuidock.ok("volume", "create", "data") == "data\n"
    assert tuidock.ok("volume", "ls", "-q") == "data\n"
    assert tuidock.ok("volume", "rm", "data") == "data\n"
    assert len(tuidock.ok("network", "create", "net")) == 65
    assert (
        tuidock.ok("network", "ls", "-f", "name=net", "--format", "{{.Name}} {{.Driver}}") == "net bridge\n"
    )
    assert tuidock.ok("network", "rm", "net") == "net\n"


def test_version_and_info_take_templates(tuidock):
    assert tuidock.ok("version", "-f", "{{.Server.Version}} {{.Client.Os}}").endswith(" linux\n")
    assert tuidock.ok("info", "-f", "{{.Images}}") == "1\n"


def test_jobs_are_listed(tuidock):
    assert tuidock.ok("jobs").split() == ["JOB", "ID", "VERB", "TITLE", "CREATED", "STATUS", "DURATION"]


def test_a_container_that_removed_itself_holds_nothing(tuidock, context):
    tuidock.ok("build", "-q", "-t", "built:1", str(context))
    tuidock.ok("volume", "create", "data")
    tuidock.ok("run", "--rm", "--network", "none", "-v", "data:/data", "built:1")
    assert tuidock.ok("volume", "rm", "data") == "data\n"
    assert tuidock.ok("rmi", "built:1").startswith("Untagged: built:1\nDeleted: sha256:")


@pytest.mark.network
@pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="needs mmdebstrap")
def test_a_killed_bootstrap_leaves_no_process_and_no_mount(tuidock, paths):
    process = tuidock.start("image", "bootstrap", "debian:bookworm")
    for line in process.stderr:
        if line.startswith(b"I: installing essential packages"):
            break
    time.sleep(1)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while _lives_on(paths.root):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        assert paths.root not in mounts.read()
    assert tuidock.ok("image", "bootstrap", "hello-world") == "Made image: hello-world:latest\n"


def _lives_on(root: str) -> bool:
    """Whether a process that works below ``root`` is there."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
            if b"mmdebstrap" in (words := file.read()) and root.encode() in words:
                return True
    return False

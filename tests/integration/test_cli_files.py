from __future__ import annotations

import json
import os
import subprocess
import tarfile

import pytest

pytestmark = pytest.mark.root
_ALONE = ("--network", "none")


@pytest.fixture
def box(tuidock):
    tuidock.ok("create", *_ALONE, "--name", "box", "busybox", "true")
    return "box"


def _into(tuidock, target: str, *arguments: str) -> tuple[int, str]:
    """Run with standard output at ``target``: the exit code, and standard error."""
    with open(target, "wb") as out:
        run = subprocess.run(
            tuidock.argv(*arguments), env=tuidock.environ, stdout=out, stderr=subprocess.PIPE, check=False
        )
    return run.returncode, run.stderr.decode()


def _to_nobody(tuidock, *arguments: str) -> tuple[int, str]:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        run = subprocess.run(
            tuidock.argv(*arguments), env=tuidock.environ, stdout=out, stderr=subprocess.PIPE, check=False
        )
    return run.returncode, run.stderr.decode()


_WRITERS = (("export", "box"), ("save", "busybox"), ("cp", "box:/bin", "-"))


@pytest.mark.parametrize("command", _WRITERS)
def test_a_full_output_is_one_clear_line(tuidock, box, command):
    assert _into(tuidock, "/dev/full", *command) == (
        1,
        "tuidock: write the archive: no space left on device\n",
    )


@pytest.mark.parametrize("command", _WRITERS)
def test_a_reader_that_has_gone_ends_it_silently(tuidock, box, command):
    assert _to_nobody(tuidock, *command) == (141, "")


def test_an_export_does_not_replace_a_device(tuidock, box, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "copy").open("wb") as copy, subprocess.Popen(["cat", tmp_path / "pipe"], stdout=copy):
        tuidock.ok("export", "-o", str(tmp_path / "pipe"), box)
    with tarfile.open(tmp_path / "copy") as tar:
        assert "bin/busybox" in {name.removeprefix("./") for name in tar.getnames()}
    assert (tmp_path / "pipe").is_fifo()


def test_cp_goes_both_ways_from_the_callers_folder(tuidock, box, tmp_path):
    (tmp_path / "f").write_text("x")
    assert tuidock("cp", "f", "box:/tmp/g", cwd=str(tmp_path)).stderr == ""
    shown = tuidock("cp", "--quiet=false", "box:tmp/g", ".", cwd=str(tmp_path))
    assert shown.stderr == f"Successfully copied 2.05kB to {tmp_path}/.\n"
    assert (tmp_path / "g").read_text() == "x"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("box:/x", "box:/y"), "copying between containers is not supported"),
        (("x", "y"), "must specify at least one container source"),
        (("-", "-"), "must specify at least one container source"),
        (("box:/nope", "-"), "Could not find the file /nope in container box"),
        (("nosuch:/x", "-"), "No such container: nosuch"),
    ],
)
def test_a_wrong_copy_is_refused_in_dockers_words(tuidock, box, arguments, message):
    run = tuidock("cp", *arguments)
    assert (run.returncode, run.stderr.splitlines()[0]) == (1, f"tuidock: {message}")


def test_diff_lists_one_change_a_line(tuidock, box, tmp_path):
    (tmp_path / "f").write_text("x")
    tuidock.ok("cp", str(tmp_path / "f"), "box:/tmp/f")
    assert tuidock.ok("diff", "box") == "C /tmp\nA /tmp/f\n"


def test_system_df_has_dockers_rows(tuidock, box):
    rows = [json.loads(line) for line in tuidock.ok("system", "df", "--format", "json").splitlines()]
    assert [(row["Type"], row["TotalCount"], row["Active"]) for row in rows] == [
        ("Images", "1", "1"),
        ("Containers", "1", "0"),
        ("Local Volumes", "0", "0"),
        ("Build Cache", "0", "0"),
    ]
    assert tuidock.ok("system", "df").splitlines()[0].split() == [
        "TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE",
    ]  # fmt: skip
    titles = [line for line in tuidock.ok("system", "df", "-v").splitlines() if "usage:" in line]
    assert titles == [
        "Images space usage:",
        "Containers space usage:",
        "Local Volumes space usage:",
        "Build cache usage: 0B",
    ]


def test_sizes_are_shown_where_they_are_asked_for(tuidock, box, tmp_path):
    (tmp_path / "f").write_text("12345")
    tuidock.ok("cp", str(tmp_path / "f"), "box:/f")
    assert tuidock.ok("ps", "-as", "--format", "{{.Size}}").startswith("5B (virtual ")
    assert tuidock.ok("inspect", "-s", "-f", "{{.SizeRw}}", "box") == "5\n"


def test_a_prune_of_the_system_says_what_it_would_remove(tuidock, box):
    run = tuidock("system", "prune", "--volumes", "--filter", "label=x", stdin=b"n\n")
    assert run.returncode == 0
    assert run.stdout == (
        "WARNING! This will remove:\n  - all stopped containers\n"
        "  - all networks not used by at least one container\n"
        "  - all anonymous volumes not used by at least one container\n  - all dangling images\n"
        "  - unused build cache\n\n  Items to be pruned will be filtered with:\n  - label=x\n\n"
        "Are you sure you want to continue? [y/N] "
    )
    assert tuidock.ok("ps", "-aq") != ""


def test_until_does_not_go_with_volumes(tuidock):
    run = tuidock("system", "prune", "--volumes", "--filter", "until=1h")
    assert (run.returncode, run.stderr) == (
        1,
        'tuidock: ERROR: The "until" filter is not supported with "--volumes"\n',
    )


def test_volumes_are_filtered_by_who_uses_them(tuidock):
    tuidock.ok("volume", "create", "-d", "local", "--label", "a=b", "spare")
    tuidock.ok("create", *_ALONE, "--name", "box", "-v", "used:/v", "busybox", "true")
    assert tuidock.ok("volume", "ls", "-q", "--filter", "dangling=true") == "spare\n"
    assert tuidock.ok("volume", "ls", "-q", "--filter", "dangling=false") == "used\n"
    assert tuidock("volume", "create", "-d", "nope").stderr.endswith(
        'error looking up volume plugin nope: plugin "nope" not found\nhint: local is the only driver\n'
    )


def test_an_import_takes_changes_a_message_and_a_platform(tuidock, box, tmp_path):
    tuidock.ok("export", "-o", str(tmp_path / "box.tar"), "box")
    changes = ("-c", 'CMD ["sh"]', "-c", "ENV A=b", "-m", "why", "--platform", "linux/arm64")
    tuidock.ok("import", *changes, str(tmp_path / "box.tar"), "made:1")
    source = "{{.Config.Cmd}} {{.Config.Env}} {{.Architecture}} {{.Comment}}"
    assert tuidock.ok("inspect", "-f", source, "made:1") == "[sh] [A=b] arm64 why\n"


@pytest.mark.parametrize(("verb", "code"), [("run", 127), ("create", 1)])
def test_an_id_file_in_no_folder_has_dockers_code(tuidock, verb, code):
    run = tuidock(verb, *_ALONE, "--cidfile", "/nope/id", "busybox", "true")
    assert (run.returncode, run.stderr) == (
        code,
        "tuidock: failed to create the container ID file: open /nope/id: no such file or directory\n",
    )


def test_no_name_is_no_container(tuidock):
    run = tuidock("rm", "-f", "")
    assert (run.returncode, run.stderr) == (1, "tuidock: container name cannot be empty\n")


def test_inspect_tells_what_run_attached_to(tuidock):
    streams = "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.StdinOnce}}"
    tuidock.ok("run", "-di", *_ALONE, "--name", "detached", "busybox", "true")
    tuidock.ok("create", "-i", *_ALONE, "--name", "made", "busybox", "true")
    assert tuidock.ok("inspect", "-f", streams, "detached", "made") == "false false false\ntrue true true\n"

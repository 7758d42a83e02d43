from __future__ import annotations

import json
import signal
import time

import pytest

pytestmark = pytest.mark.root
_ALONE = ("--network", "none")


def _running(tuidock, script="sleep 1000", name="box"):
    return tuidock.ok("run", "-d", *_ALONE, "--name", name, "busybox", "sh", "-c", script).strip()


def test_run_keeps_the_streams_apart_and_returns_the_exit_code(tuidock):
    run = tuidock("run", "--rm", *_ALONE, "busybox", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (run.returncode, run.stdout, run.stderr) == (3, "out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [("nope", 127, "executable file not found in $PATH"), ("/etc", 126, "is a directory")],
)
def test_a_command_that_cannot_be_run_has_dockers_code(tuidock, command, code, message):
    run = tuidock("run", "--rm", *_ALONE, "busybox", command)
    assert run.returncode == code
    assert message in run.stderr
    assert tuidock.ok("ps", "-aq") == ""


def test_a_command_killed_by_a_signal_is_128_and_more(tuidock):
    assert tuidock("run", "--rm", *_ALONE, "--init", "busybox", "sh", "-c", "kill -9 $$").returncode == 137


def test_an_unknown_image_is_125_with_a_hint(tuidock):
    run = tuidock("run", "--rm", "--pull", "never", "nosuch")
    assert run.returncode == 125
    assert run.stderr.startswith("tuidock: Unable to find image 'nosuch:latest' locally\nhint: ")


def test_an_unknown_image_is_asked_of_its_registry(tuidock):
    run = tuidock("run", "--rm", "127.0.0.1:1/nosuch")
    assert run.returncode == 125
    assert run.stderr.startswith(
        "Unable to find image '127.0.0.1:1/nosuch:latest' locally\n"
        "tuidock: cannot reach 127.0.0.1:1: Connection refused\n"
    )
    assert "image bootstrap" in run.stderr


def test_input_from_a_pipe_reaches_the_container_and_ends(tuidock):
    text = b"line\n" * 100_000
    run = tuidock("run", "--rm", "-i", *_ALONE, "busybox", "wc", "-l", stdin=text)
    assert run.stdout == "100000\n"


def test_input_from_a_file_reaches_the_container(tuidock, tmp_path):
    import subprocess

    path = tmp_path / "input"
    path.write_bytes(b"from a file")
    with path.open("rb") as file:
        run = subprocess.run(
            tuidock.argv("run", "--rm", "-i", *_ALONE, "busybox", "cat"),
            env=tuidock.environ,
            stdin=file,
            capture_output=True,
            check=True,
            timeout=30,
        )
    assert run.stdout == b"from a file"


def test_without_i_the_container_has_no_input(tuidock):
    assert tuidock("run", "--rm", *_ALONE, "busybox", "cat", stdin=b"unread").stdout == ""


def test_much_output_arrives_whole(tuidock):
    out = tuidock.ok("run", "--rm", *_ALONE, "busybox", "seq", "1", "300000")
    assert out.splitlines() == [str(number) for number in range(1, 300_001)]


def test_a_reader_that_leaves_ends_the_command_quietly(tuidock):
    process = tuidock.start("run", "--rm", *_ALONE, "busybox", "sh", "-c", "while :; do echo y; done")
    assert process.stdout.read(2) == b"y\n"
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()
    process.stdin.close()


def test_signals_are_proxied(tuidock):
    script = "trap 'echo told; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    process = tuidock.start("run", "--rm", *_ALONE, "busybox", "sh", "-c", script)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (9, b"told\n")


def test_three_interrupts_leave_a_deaf_container(tuidock):
    process = tuidock.start("run", *_ALONE, "--name", "deaf", "busybox", "sh", "-c", "echo ready; sleep 1000")
    process.stdout.readline()
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"tuidock: received 3 SIGTERM/SIGINTs, forcefully exiting\n")
    assert tuidock.ok("ps", "--format", "{{.Names}}") == "deaf\n"


def test_a_terminal_is_not_to_be_had_in_a_pipe(tuidock):
    run = tuidock("run", "--rm", "-it", *_ALONE, "busybox", "sh")
    assert (run.returncode, run.stderr) == (1, "tuidock: the input device is not a TTY\n")


def test_start_attaches_a_terminal_to_a_pipe(tuidock):
    tuidock.ok("create", "-it", *_ALONE, "--name", "box", "busybox", "sh", "-c", "read line; echo got $line")
    run = tuidock("start", "--attach", "-i", "box", stdin=b"text\n")
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "got text")


def test_ports_on_the_hosts_network_are_discarded_loudly(tuidock):
    run = tuidock("run", "--rm", "--network", "host", "-p", "80:80", "busybox", "true")
    expected = "WARNING: Published ports are discarded when using host network mode\n"
    assert (run.returncode, run.stderr) == (0, expected)


def test_detached_prints_the_id_and_writes_the_cidfile(tuidock, tmp_path):
    out = tuidock.ok("run", "-d", *_ALONE, "--cidfile", f"{tmp_path}/cid", "busybox", "true")
    assert out.strip() == (tmp_path / "cid").read_text()
    assert len(out) == 65


def test_exec_runs_beside_and_returns_its_code(tuidock):
    _running(tuidock)
    run = tuidock("exec", "-e", "A=1", "-w", "/tmp", "box", "sh", "-c", "echo $A $PWD; exit 5")
    assert (run.returncode, run.stdout) == (5, "1 /tmp\n")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("-w", "/nosuch"), 126, "changing to the working directory: /nosuch: No such file or directory"),
        (("-w", "tmp"), 1, "the working directory 'tmp' is invalid, it needs to be an absolute path"),
        (("-u", "nobody-here"), 126, "unable to find user nobody-here: no matching entries in passwd file"),
    ],
)
def test_exec_makes_neither_directory_nor_user(tuidock, options, code, message):
    _running(tuidock)
    run = tuidock("exec", *options, "box", "true")
    assert (run.returncode, run.stderr) == (code, f"tuidock: {message}\n")
    assert tuidock("exec", "box", "ls", "-d", "/nosuch").returncode == 1


def test_exec_of_nothing_is_127_and_in_nothing_is_1(tuidock):
    _running(tuidock)
    assert tuidock("exec", "box", "nope").returncode == 127
    assert tuidock("exec", "nosuch", "true").returncode == 1


def test_ps_shows_the_table(tuidock):
    identity = _running(tuidock)
    header, row = tuidock.ok("ps").splitlines()
    titles = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert [title for title in titles if title in header] == titles
    assert row.startswith(f"{identity[:12]}   busybox   \"sh -c 'sleep 1000'\"")
    assert row.index("box", 30) == header.index("NAMES")


def test_stop_prints_what_it_was_given_and_ps_shows_the_code(tuidock):
    identity = _running(tuidock)
    assert tuidock.ok("stop", "-t", "0", identity[:6]) == f"{identity[:6]}\n"
    assert tuidock.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137) ")


def test_one_failure_does_not_stop_the_others(tuidock):
    _running(tuidock, name="one")
    _running(tuidock, name="two")
    run = tuidock("rm", "-f", "one", "nosuch", "two")
    assert (run.returncode, run.stdout) == (0, "one\ntwo\n")
    assert run.stderr.startswith("tuidock: No such container: nosuch\n")
    assert tuidock("rm", "nosuch").returncode == 1


def test_wait_prints_the_code(tuidock):
    _running(tuidock, "exit 7")
    assert tuidock.ok("wait", "box") == "7\n"


def test_start_attached_returns_the_code_again(tuidock):
    tuidock.ok("create", *_ALONE, "--name", "box", "busybox", "sh", "-c", "echo hi; exit 4")
    run = tuidock("container", "start", "--attach", "box")
    assert (run.returncode, run.stdout) == (4, "hi\n")


def test_logs_keep_the_streams_apart_and_stamp_lines(tuidock):
    _running(tuidock, "echo one; echo two >&2")
    tuidock.ok("wait", "box")
    run = tuidock("logs", "box")
    assert (run.stdout, run.stderr) == ("one\n", "two\n")
    stamped = tuidock.ok("logs", "-t", "box")
    assert stamped.endswith("Z one\n")
    assert len(stamped) == len("2026-11-20T23:24:46.123456789Z one\n")


def test_logs_of_the_last_lines_and_of_a_time(tuidock):
    _running(tuidock, "for i in 1 2 3 4; do echo $i; done")
    tuidock.ok("wait", "box")
    assert tuidock.ok("logs", "--tail", "2", "box") == "3\n4\n"
    assert tuidock.ok("logs", "--until", "1h", "box") == ""
    assert tuidock.ok("logs", "--since", "1h", "-n", "1", "box") == "4\n"


def test_logs_follow_to_the_end(tuidock):
    _running(tuidock, "echo one; sleep 1; echo two")
    assert tuidock.ok("logs", "-f", "box") == "one\ntwo\n"


def test_inspect_takes_templates_and_json(tuidock):
    identity = _running(tuidock)
    assert tuidock.ok("inspect", "-f", "{{.State.Status}} {{.Id}}", "box") == f"running {identity}\n"
    assert json.loads(tuidock.ok("inspect", "box"))[0]["Name"] == "/box"
    missing = tuidock("inspect", "nosuch")
    assert (missing.returncode, missing.stdout) == (1, "[]\n")
    assert missing.stderr.startswith("tuidock: No such object: nosuch")


def test_a_template_for_a_field_that_is_not_there_is_one_line(tuidock):
    _running(tuidock)
    run = tuidock("inspect", "-f", "{{.Foo}}", "box")
    assert (run.returncode, run.stderr) == (
        1,
        (
            'tuidock: template parsing error: template: :1: executing "" at <.Foo>: '
            'map has no entry for key "Foo"\n'
        ),
    )


def test_environment_files_and_labels_arrive(tuidock, tmp_path):
    path = tmp_path / "env"
    path.write_text("A=file\nB=file\n")
    out = tuidock.ok(
        "run", "--rm", *_ALONE, "--env-file", str(path), "-e", "B=given", "busybox", "sh", "-c", "echo $A $B"
    )
    assert out == "file given\n"


def test_rename_and_commit(tuidock):
    _running(tuidock, "echo x > /made")
    tuidock.ok("wait", "box")
    tuidock.ok("rename", "box", "other")
    assert tuidock.ok("commit", "-c", 'CMD ["cat", "/made"]', "other", "made:1").startswith("sha256:")
    assert tuidock.ok("run", "--rm", *_ALONE, "made:1") == "x\n"


def test_prune_asks_first(tuidock):
    _running(tuidock, "true")
    tuidock.ok("wait", "box")
    assert tuidock("container", "prune", stdin=b"n\n").returncode == 0
    assert tuidock.ok("ps", "-aq") != ""
    out = tuidock.ok("container", "prune", stdin=b"y\n")
    assert out.startswith(
        "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
    )
    assert tuidock.ok("ps", "-aq") == ""


def test_events_of_the_past_are_told_in_dockers_words(tuidock):
    tuidock.ok("run", "--rm", *_ALONE, "--name", "box", "busybox", "true")
    out = tuidock.ok(
        "events", "--since", "1h", "--until", "0s", "-f", "type=container", "--format", "{{.Action}}"
    )
    assert out.split() == ["create", "start", "die", "destroy"]


def test_a_published_port_is_shown(tuidock):
    tuidock.ok("run", "-d", "-p", "127.0.0.1:0:80", "--name", "box", "busybox", "sleep", "1000")
    assert tuidock.ok("port", "box", "80").startswith("127.0.0.1:")
    assert tuidock("port", "box", "81").stderr == "tuidock: No public port '81' published for box\n"


def test_a_list_imports_nothing_heavy(tuidock):
    import subprocess
    import sys

    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tuidock", "ps"],
        env=tuidock.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in run.stderr.splitlines()}
    heavy = {"textual", "rich", "pyroute2", "humanize", "aiofiles", "dockerfile_parse", "argparse", "click"}
    assert "tuidock" in imported
    assert imported & heavy == set()


def test_a_closed_standard_output_is_nobodys(tuidock, paths):
    import subprocess

    line = " ".join(tuidock.argv("ps"))
    run = subprocess.run(["sh", "-c", f"{line} >&-"], env=tuidock.environ, check=False, capture_output=True)
    assert (run.returncode, run.stderr) == (0, b"")
    assert tuidock.ok("images").count("busybox") == 1


def test_a_full_disk_behind_the_output_is_one_line(tuidock):
    import subprocess

    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            tuidock.argv("ps"), env=tuidock.environ, check=False, stdout=full, stderr=subprocess.PIPE
        )
    assert (run.returncode, run.stderr) == (1, b"tuidock: No space left on device\n")

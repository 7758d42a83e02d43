import os
import subprocess
import sys

import pytest

from engine.paths import Paths
from tuidock.cli.main import main


@pytest.fixture
def run(tmp_path, capfd):
    def call(*argv):
        code = main(list(argv), Paths(root=f"{tmp_path}/root", run=f"{tmp_path}/run"), None)
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def tuidock_environment(tmp_path):
    return {**os.environ, "TUIDOCK_ROOT": f"{tmp_path}/root", "TUIDOCK_DEBUG": ""}


def test_no_words_print_the_help(run):
    code, out, err = run()
    assert (code, out.startswith("Usage:  tuidock [OPTIONS] COMMAND"), err) == (0, True, "")


def test_help_that_cannot_be_written_is_one_line(tuidock_environment):
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [sys.executable, "-m", "tuidock", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=tuidock_environment,
            check=False,
        )
    assert (run.returncode, run.stderr) == (1, b"tuidock: No space left on device\n")


@pytest.mark.parametrize("argv", [("run", "--help"), ("help", "run"), ("run", "-it", "--help", "x")])
def test_help_of_a_verb(run, argv):
    code, out, _ = run(*argv)
    assert (code, out.startswith("Usage:  tuidock run [OPTIONS] IMAGE [COMMAND] [ARG...]")) == (0, True)


def test_a_group_alone_prints_its_help(run):
    assert run("image")[1].startswith("Usage:  tuidock image COMMAND")


def test_an_unknown_flag_is_125(run):
    code, out, err = run("ps", "--foo")
    assert (code, out) == (125, "")
    assert (
        err
        == "unknown flag: --foo\n\nUsage:  tuidock ps [OPTIONS]\n\nRun 'tuidock ps --help' for more information\n"
    )


def test_a_wrong_number_of_arguments_is_1(run):
    code, _, err = run("tag", "a")
    assert (code, err.splitlines()[0]) == (1, "tuidock: 'tuidock tag' requires 2 arguments")


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("ps", "x"), "'tuidock ps' accepts no arguments"),
        (("run",), "'tuidock run' requires at least 1 argument"),
        (("images", "a", "b"), "'tuidock images' requires at most 1 argument"),
        (("port",), "'tuidock port' requires at least 1 and at most 2 arguments"),
        (("container", "logs"), "'tuidock container logs' requires 1 argument"),
    ],
)
def test_arity_is_told_in_dockers_words(run, argv, problem):
    assert run(*argv)[2].splitlines()[0] == f"tuidock: {problem}"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("-p", "99999:80"), "tuidock: invalid hostPort: 99999"),
        (("--env-file", "/nonexistent"), "tuidock: open /nonexistent: no such file or directory"),
        (("-v", ":/x"), "tuidock: invalid spec: :/x: empty section between colons"),
        (
            ("--pull", "foo"),
            'tuidock: invalid pull option: \'foo\': must be one of "always", "missing" or "never"',
        ),
        (("-d", "-a", "stdout"), "tuidock: conflicting options: cannot specify both --attach and --detach"),
        (("-v", "/a:/x", "--tmpfs", "/x"), "tuidock: Duplicate mount point: /x"),
        (("-m", "abc"), 'invalid argument "abc" for "-m, --memory" flag: invalid size: \'abc\''),
        (
            ("--detach-keys", "foo"),
            'invalid argument "foo" for "--detach-keys" flag: unknown character: \'foo\'',
        ),
        (("--networks", "x"), "unknown flag: --networks"),
    ],
)
def test_a_wrong_value_is_125(run, argv, message):
    code, _, err = run("run", *argv, "image")
    assert (code, err.splitlines()[0]) == (125, message)


def test_an_existing_cidfile_is_refused(run, tmp_path):
    path = tmp_path / "cid"
    path.write_text("")
    code, _, err = run("run", "--cidfile", str(path), "image")
    assert code == 125
    assert err.startswith("tuidock: container ID file found, make sure the other container isn't running")


def test_an_unknown_verb_is_1_and_guessed(run):
    code, _, err = run("imgaes")
    assert (code, err.splitlines()[:2]) == (
        1,
        ["tuidock: unknown command: tuidock imgaes", "hint: did you mean 'tuidock images'?"],
    )


def test_an_unknown_verb_of_a_group_is_guessed_there(run):
    assert "hint: did you mean 'tuidock container ls'?" in run("container", "lss")[2]


def test_version_needs_no_engine(run, tmp_path):
    code, out, _ = run("--version")
    assert (code, out.startswith("tuidock version ")) == (0, True)
    assert not (tmp_path / "root").exists()


def test_starting_several_with_a_terminal_is_refused(run):
    code, _, err = run("start", "-ai", "a", "b")
    assert (code, err) == (1, "tuidock: you cannot start and attach multiple containers at once\n")


def test_a_broken_template_is_refused(run):
    code, _, err = run("ps", "--format", "{{.Foo")
    assert (code, err) == (1, "tuidock: failed to parse template: template: :1: unclosed action\n")


def test_a_missing_build_context_is_named(run):
    code, _, err = run("build", "/nonexistent")
    assert (code, err) == (1, 'tuidock: unable to prepare context: path "/nonexistent" not found\n')


def test_an_argument_that_is_no_text_is_refused(run):
    code, _, err = run("run", "image", "\udcff")
    assert (code, err) == (125, "tuidock: argument '\\udcff' is not valid UTF-8\n")


def test_a_search_is_refused_with_the_reason(run):
    assert "hint: only Docker's own registry can be searched" in run("search", "busybox")[2]

import pytest

from engine.errors import (
    BuildFailed,
    CommandNotExecutable,
    CommandNotFound,
    DockerfileSyntaxError,
    NotFound,
)
from tuidock.cli import diagnostics
from tuidock.cli.commands.images import LIST
from tuidock.cli.commands.run import RUN


def test_an_error_has_its_remedy_on_a_line_of_its_own(capfd):
    code = diagnostics.engine_error(NotFound("container", "x", remedy="tuidock ps -a lists them"), LIST)
    assert (code, capfd.readouterr().err) == (
        1,
        "tuidock: No such container: x\nhint: tuidock ps -a lists them\n",
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandNotFound("start", path="nope"), 127),
        (CommandNotExecutable("start", path="/etc/passwd"), 126),
        (NotFound("image", "x"), 125),
    ],
)
def test_run_exits_as_docker(capfd, error, code):
    assert diagnostics.engine_error(error, RUN) == code


def test_a_syntax_error_has_a_caret(capfd):
    error = DockerfileSyntaxError("unknown instruction: RUNN", line=2, span=(0, 4), source="RUNN make")
    diagnostics.engine_error(error)
    assert capfd.readouterr().err == ("tuidock: Dockerfile:2: unknown instruction: RUNN\nRUNN make\n^^^^\n")


def test_a_failed_build_shows_where_and_the_last_output(capfd, tmp_path):
    path = tmp_path / "Dockerfile"
    path.write_text("FROM busybox\nRUN false\nCMD true\n")
    diagnostics.failed_build(
        BuildFailed(
            "step failed", path="Dockerfile", line=2, instruction="RUN false", exit_code=1, output=("oops",)
        ),
        str(path),
    )
    assert capfd.readouterr().err.splitlines() == [
        "------",
        " > RUN false:",
        "oops",
        "------",
        "Dockerfile:2",
        "-" * 20,
        "   1 |     FROM busybox",
        "   2 | >>> RUN false",
        "   3 |     CMD true",
        "-" * 20,
        "tuidock: step failed",
    ]


def test_what_nobody_expected_is_one_line(capfd, monkeypatch):
    monkeypatch.delenv("TUIDOCK_DEBUG", raising=False)
    assert diagnostics.unexpected(KeyError("x")) == 125
    assert capfd.readouterr().err.startswith("tuidock: internal error: KeyError: 'x'\nhint: ")


def test_debugging_shows_the_traceback(capfd, monkeypatch):
    monkeypatch.setenv("TUIDOCK_DEBUG", "1")
    with pytest.raises(KeyError) as caught:
        {}["x"]
    diagnostics.unexpected(caught.value)
    assert "Traceback" in capfd.readouterr().err


def test_a_name_that_a_container_has_chosen_does_not_command_the_terminal(capfd):
    diagnostics.problem("a\x1b]0;title\x07\tb\nc é \x9b1m")
    diagnostics.engine_error(NotFound("container", "\x1b[31m", remedy="\x1bc"))
    assert capfd.readouterr().err == (
        "tuidock: a\\x1b]0;title\\x07\tb\nc é \\x9b1m\ntuidock: No such container: \\x1b[31m\nhint: \\x1bc\n"
    )

from engine.events import (
    BuildFinished,
    BuildPlanned,
    BuildStep,
    LayerProgress,
    Message,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)
from tuidock.cli.progress import Plain
from tuidock.cli.progress_screen import Screen, harmless

_PLAN = BuildPlanned(
    steps=tuple(
        BuildStep(index=index, name=name, stage="0", line=index + 1, instruction="")
        for index, name in enumerate(("[1/2] FROM busybox", "[2/2] RUN make"))
    )
)


def test_plain_lines_are_buildkits(capfd):
    show = Plain()
    for fact in (
        _PLAN,
        StepStarted(index=0),
        StepFinished(index=0, seconds=0, cached=True),
        StepStarted(index=1),
        StepOutput(index=1, stream="stdout", content=b"one\ntw"),
        StepOutput(index=1, stream="stdout", content=b"o"),
        StepFinished(index=1, seconds=0.23, cached=False),
        BuildFinished(image_id="sha256:ab", tags=("x:latest",), seconds=1.5),
    ):
        show(fact)
    lines = capfd.readouterr().err.splitlines()
    assert lines[:4] == ["#1 [1/2] FROM busybox", "#1 CACHED", "", "#2 [2/2] RUN make"]
    assert [line.split(" ")[2] for line in lines[4:6]] == ["one", "two"]
    assert lines[6:] == ["#2 DONE 0.2s", "", "writing image sha256:ab in 1.5s", "naming to x:latest"]


def test_a_failed_step_says_why(capfd):
    show = Plain()
    show(_PLAN)
    show(StepStarted(index=1))
    show(StepFailed(index=1, seconds=0.1, exit_code=3, reason="exit code: 3"))
    assert capfd.readouterr().err.splitlines()[-1] == "#2 ERROR: exit code: 3"


def test_a_redrawn_line_shows_its_last_state(capfd):
    show = Plain()
    show(StepStarted(index=1))
    show(StepOutput(index=1, stream="stdout", content=b"10%\r20%\r\n"))
    assert capfd.readouterr().err.splitlines()[-1].endswith(" 20%")


def test_a_line_holds_what_one_stream_wrote(capfd):
    show = Plain()
    show(StepStarted(index=1))
    for stream, content in (("stderr", b"+ ec"), ("stdout", b"hi\n"), ("stderr", b"ho hi\n")):
        show(StepOutput(index=1, stream=stream, content=content))
    lines = capfd.readouterr().err.splitlines()[-2:]
    assert [line.split(" ", 2)[2] for line in lines] == ["hi", "+ echo hi"]


def test_messages_are_lines(capfd):
    Plain()(Message(text="Making debian:bookworm"))
    assert capfd.readouterr().err == "Making debian:bookworm\n"


def test_a_layer_is_a_line_when_it_sets_out_and_when_it_arrives(capfd):
    show = Plain()
    for phase, done in (("waiting", 0), ("download", 1), ("download", 500), ("pulled", 1000)):
        show(LayerProgress(layer="sha256:f3aa1553ca290", phase=phase, done=done, total=1000))
    assert capfd.readouterr().err.splitlines() == [
        "f3aa1553ca29: Downloading 1B/1kB",
        "f3aa1553ca29: Pull complete",
    ]


def test_at_last_the_screen_shows_every_layer_however_many(capfd):
    screen = Screen()
    for number in range(60):
        screen(LayerProgress(layer=f"sha256:{number:012}", phase="pulled", done=1, total=1))
    screen.paint()
    assert capfd.readouterr().err.rpartition("\x1b[2K0000")[2].count("Pull complete") == 1
    screen.finish()
    assert capfd.readouterr().err.count("Pull complete") == 60


def test_layers_are_painted_in_the_order_of_the_manifest(capfd):
    screen = Screen()
    for layer, phase in (("b", "waiting"), ("a", "waiting"), ("a", "pulled"), ("b", "pulled")):
        screen(LayerProgress(layer=layer, phase=phase, done=1, total=1))
    screen.finish()
    last = capfd.readouterr().err.splitlines()[-3:]
    assert [line.removeprefix("\x1b[2K") for line in last] == [
        "b: Pull complete",
        "a: Pull complete",
        "\x1b[J",
    ]


def test_the_screen_repaints_its_block(capfd):
    screen = Screen()
    screen(_PLAN)
    screen(StepStarted(index=0))
    screen.paint()
    capfd.readouterr()
    screen(StepFinished(index=0, seconds=0.1, cached=True))
    screen.finish()
    painted = capfd.readouterr().err
    assert painted.startswith("\x1b[")
    assert "[+] Building" in painted
    assert "=> CACHED [1/2] FROM busybox" in painted


def test_what_containers_print_cannot_steer_the_terminal():
    assert harmless("a\x1b[31mred\x1b[0m\x1b]0;title\x07\x08\x1b[2Jb") == "aredb"

import pytest

from tuidock.cli.command import Invocation, SpecError
from tuidock.cli.container_options import CONTAINER_FLAGS, create_options
from tuidock.cli.flags import parse


def options(*argv):
    parsed = parse([*argv, "busybox"], CONTAINER_FLAGS, interspersed=False)
    return create_options(
        Invocation(spelling="run", values=parsed.values, given=parsed.given, arguments=parsed.arguments)
    )


@pytest.mark.parametrize("mode", ["", "host", "private", "container:web"])
def test_modes_are_taken_as_they_are(mode):
    found = options("--pid", mode, "--uts", mode, "--cgroupns", mode, "--ipc", mode)
    assert (found.pid, found.uts, found.cgroupns, found.ipc) == (mode,) * 4


@pytest.mark.parametrize(
    ("flag", "mode", "words"),
    [
        ("pid", "foo", "--pid: invalid PID mode"),
        ("pid", "container:", "--pid: invalid PID mode"),
        ("uts", "foo", "--uts: invalid UTS mode"),
        ("cgroupns", "foo", "--cgroupns: invalid CGROUP mode"),
        ("userns", "foo", "--userns: invalid USER mode"),
    ],
)
def test_a_mode_that_there_is_not_is_refused_in_dockers_words(flag, mode, words):
    with pytest.raises(SpecError, match=f"^{words}$"):
        options(f"--{flag}", mode)


def test_security_options_name_a_profile_labels_and_paths():
    found = options(
        *("--security-opt", "apparmor=unconfined", "--security-opt", "label=disable"),
        *("--security-opt", "label:type:t", "--security-opt", "systempaths=unconfined"),
    )
    assert (found.apparmor, found.label, found.systempaths_unconfined) == (
        "unconfined",
        ("disable", "type:t"),
        True,
    )


def test_system_paths_are_unconfined_or_not_mentioned():
    with pytest.raises(SpecError, match='invalid --security-opt 2: "systempaths=some"'):
        options("--security-opt", "systempaths=some")


def test_annotations_and_groups_add_up():
    found = options("--annotation", "a=b", "--annotation", "c", "--group-add", "5", "--group-add", "audio")
    assert (found.annotations, found.group_add) == ({"a": "b", "c": ""}, ("5", "audio"))
    with pytest.raises(SpecError, match="the empty string is not permitted as an annotation key"):
        options("--annotation", "=b")

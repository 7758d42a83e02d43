import pytest

from engine.options import DeviceRate, MountSpec, PortSpec, Resources, Ulimit
from tuidock.cli.command import Invocation, SpecError
from tuidock.cli.container_options import CONTAINER_FLAGS, create_options
from tuidock.cli.flags import parse


def _options(*argv):
    parsed = parse(list(argv), CONTAINER_FLAGS, interspersed=False)
    return create_options(
        Invocation(spelling="run", values=parsed.values, given=parsed.given, arguments=parsed.arguments)
    )


def test_nothing_given_leaves_everything_to_the_image():
    options = _options("busybox")
    assert (options.command, options.entrypoint, options.user, options.network) == (
        None,
        None,
        None,
        "bridge",
    )


def test_words_after_the_image_are_the_command():
    assert _options("--rm", "busybox", "sh", "-c", "--rm").command == ("sh", "-c", "--rm")


def test_an_empty_entrypoint_removes_the_images():
    assert _options("--entrypoint", "", "busybox").entrypoint == ()


def test_empty_texts_are_as_if_not_given():
    options = _options("--name", "", "-u", "", "-w", "", "-h", "", "--stop-signal", "", "busybox")
    assert options == _options("busybox")


def test_a_network_without_a_name_is_refused():
    with pytest.raises(SpecError, match="no name set for network"):
        _options("--network", "", "busybox")


def test_every_kind_of_mount_is_collected():
    options = _options("-v", "/a:/b", "--mount", "type=volume,dst=/c", "--tmpfs", "/d", "busybox")
    assert options.mounts == (
        MountSpec(type="bind", source="/a", target="/b", create_source=True, short=True),
        MountSpec(type="volume", target="/c"),
        MountSpec(type="tmpfs", target="/d", short=True),
    )


def test_ports_and_ranges_are_collected():
    options = _options("-p", "8080:80", "-p", "90-91:90-91/udp", "busybox")
    assert options.ports == (
        PortSpec(container_port=80, host_port=8080),
        PortSpec(container_port=90, host_port=90, protocol="udp"),
        PortSpec(container_port=91, host_port=91, protocol="udp"),
    )


def test_limits_become_resources():
    options = _options("-m", "512m", "--cpus", "1.5", "--pids-limit", "100", "busybox")
    assert options.resources == Resources(memory=512 << 20, nano_cpus=1_500_000_000, pids_limit=100)


def test_no_new_privileges_may_be_taken_back():
    assert _options("--security-opt", "no-new-privileges", "busybox").no_new_privileges
    assert not _options("--security-opt", "no-new-privileges:false", "busybox").no_new_privileges


def test_a_seccomp_profile_is_read_at_once(tmp_path):
    (tmp_path / "mine.json").write_text('{\n "defaultAction": "SCMP_ACT_ALLOW"\n}\n')
    options = _options("--security-opt", f"seccomp={tmp_path}/mine.json", "busybox")
    assert options.seccomp == '{"defaultAction":"SCMP_ACT_ALLOW"}'


@pytest.mark.parametrize("word", ["unconfined", "builtin"])
def test_words_for_seccomp_are_no_files(word):
    assert _options("--security-opt", f"seccomp={word}", "busybox").seccomp == word


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "opening seccomp profile ({0}) failed: open {0}: no such file or directory"),
        (b"\xff", "opening seccomp profile ({0}) failed: read {0}: it is no text"),
        (b"{bad", "seccomp profile ({0}): JSON is malformed: object keys must be strings (byte 1)"),
        (b'{"defaultAction": 5}', "seccomp profile ({0}): Expected `str`, got `int` - at `$.defaultAction`"),
    ],
)
def test_a_seccomp_profile_that_cannot_be_used_is_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        _options("--security-opt", f"seccomp={path}", "busybox")
    assert caught.value.message == reason.format(path)


@pytest.mark.parametrize("option", ["seccomp", "seccomp=", "no-new-privileges:", "sandbox=yes"])
def test_a_security_option_that_is_none_is_named(option):
    with pytest.raises(SpecError, match=f'Invalid --security-opt: "{option}"'):
        _options("--security-opt", option, "busybox")


def test_a_bare_variable_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("CLI_TEST", "here")
    assert _options("-e", "CLI_TEST", "-e", "NOT_SET_ANYWHERE", "busybox").env == ("CLI_TEST=here",)


def test_limits_that_are_not_given_are_none():
    options = _options("--pids-limit", "-1", "--memory-swappiness", "-1", "busybox")
    assert options.resources == Resources()
    assert (options.shm_size, options.sysctls, options.oom_score_adj) == (0, {}, 0)


def test_the_last_ulimit_of_a_name_counts():
    options = _options("--ulimit", "nofile=1", "--ulimit", "core=0", "--ulimit", "nofile=2", "busybox")
    assert options.resources.ulimits == (Ulimit("core", 0, 0), Ulimit("nofile", 2, 2))


def test_limits_of_disks_processors_and_the_kernel():
    options = _options(
        "--device-read-bps", "/dev/sda:1k", "--cpu-rt-runtime", "5", "--cpuset-mems", "0", "--oom-kill-disable",
        "--blkio-weight", "0x14", "--cgroup-parent", "a", "--sysctl", "net.a=1", "--shm-size", "1m", "busybox",
    )  # fmt: skip
    assert options.resources == Resources(
        device_read_bps=(DeviceRate("/dev/sda", 1024),),
        cpu_realtime_runtime=5,
        cpuset_mems="0",
        oom_kill_disable=True,
        blkio_weight=20,
        cgroup_parent="a",
    )
    assert (options.sysctls, options.shm_size) == ({"net.a": "1"}, 1 << 20)


def test_a_swappiness_out_of_range_is_refused():
    with pytest.raises(SpecError, match=r"invalid value: 101\. Valid memory swappiness range is 0-100"):
        _options("--memory-swappiness", "101", "busybox")

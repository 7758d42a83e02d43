"""System calls made by containers on the real kernel, under the default filter and others."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.errors import InvalidInput
from engine.options import CreateOptions, ExecOptions, MountSpec
from tests.support.command_line import CommandLine
from tests.support.containers import everything, run, sh, started
from tests.support.probes import Call, results_of, write_probe

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]
_on_x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the probe is x86-64's machine code")
_X32 = 0x40000000
_EPERM, _ENOSYS = -errno.EPERM, -errno.ENOSYS
_STATUS = "grep -E '^(Seccomp|CapEff|CapPrm|NoNewPrivs):' /proc/self/status"
_USUAL, _NONE = "00000000a80425fb", "0000000000000000"


async def status(engine: Engine, **options: object) -> dict[str, str]:
    code, text, err = await run(engine, sh(_STATUS, **options))
    assert code == 0, err
    return dict(line.split(":\t") for line in text.decode().splitlines())


async def results(engine: Engine, folder: Path, calls: list[Call], **options: object) -> list[int]:
    write_probe(f"{folder}/probe", calls)
    mounts = (MountSpec(type="bind", source=str(folder), target="/probes"),)
    fields = {
        "image": "busybox",
        "network": "none",
        "command": ("/probes/probe",),
        "mounts": mounts,
        **options,
    }
    code, text, err = await run(engine, CreateOptions(**fields))
    assert code == 0, err
    return results_of(text)


_REFUSED = {
    "mount": ("x86_64", 165, ()),
    "unshare": ("x86_64", 272, (0x20000,)),
    "clone of a user namespace": ("x86_64", 56, (0x10000011,)),
    "keyctl": ("x86_64", 250, (0, -3, 0)),
    "bpf": ("x86_64", 321, (5,)),
    "userfaultfd": ("x86_64", 323, ()),
    "io_uring_setup": ("x86_64", 425, (1,)),
    "socket of vsock": ("x86_64", 41, (40, 1)),
    "mount of i386": ("i386", 21, ()),
    "unshare of i386": ("i386", 310, (0x20000,)),
    "mount of x32": ("x86_64", _X32 | 165, ()),
}


@_on_x86
async def test_the_default_refuses_what_leads_out_of_a_container(engine, tmp_path):
    found = await results(engine, tmp_path, list(_REFUSED.values()))
    assert dict(zip(_REFUSED, found, strict=True)) == dict.fromkeys(_REFUSED, _EPERM)


@_on_x86
async def test_what_is_newer_than_the_profile_does_not_exist(engine, tmp_path):
    newer = [("x86_64", 1000, ()), ("i386", 1000, ()), ("x86_64", _X32 | 500, ()), ("x86_64", 435, ())]
    assert await results(engine, tmp_path, newer) == [_ENOSYS] * 4


@_on_x86
async def test_calls_that_the_library_may_not_know_reach_the_kernel(engine, tmp_path):
    found = await results(engine, tmp_path, [("x86_64", 462, (1, 1)), ("x86_64", 457, ()), ("i386", 20, ())])
    assert _EPERM not in found


@_on_x86
async def test_a_capability_opens_its_calls(engine, tmp_path):
    calls = [("x86_64", 272, (0x04000000,)), ("x86_64", 165, ())]
    found = await results(engine, tmp_path, calls, cap_add=("SYS_ADMIN",))
    assert found == [0, -errno.EFAULT]


@pytest.mark.parametrize("user", ["", "1000"])
@pytest.mark.parametrize("no_new_privileges", [False, True])
async def test_any_user_is_filtered_and_keeps_nothing_of_what_loading_took(engine, user, no_new_privileges):
    found = await status(engine, user=user, no_new_privileges=no_new_privileges)
    capabilities = _NONE if user else _USUAL
    assert found == {
        "CapPrm": capabilities,
        "CapEff": capabilities,
        "NoNewPrivs": str(int(no_new_privileges)),
        "Seccomp": "2",
    }


@pytest.mark.parametrize("user", ["", "1000"])
async def test_without_any_capability_there_is_a_filter_too(engine, user):
    found = await status(engine, user=user, cap_drop=("ALL",))
    assert (found["Seccomp"], found["CapPrm"], found["CapEff"]) == ("2", _NONE, _NONE)


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({"seccomp": "unconfined"}, "0"),
        ({"seccomp": "builtin"}, "2"),
        ({"privileged": True}, "0"),
        ({"privileged": True, "seccomp": "builtin"}, "2"),
    ],
)
async def test_who_goes_without_a_filter(engine, options, mode):
    assert (await status(engine, **options))["Seccomp"] == mode


@pytest.mark.parametrize("privileged", [False, True])
async def test_exec_has_the_container_s_filter_privileged_or_not(engine, privileged):
    container = await started(engine, sh("sleep 60"))
    wanted = ExecOptions(command=("grep", "Seccomp:", "/proc/self/status"), privileged=privileged)
    session = await engine.containers.exec(container.id, wanted)
    assert session is not None
    assert await everything(session) == (0, b"Seccomp:\t2\n", b"")


async def test_exec_into_a_container_without_a_filter_has_none(engine):
    container = await started(engine, sh("sleep 60", seccomp="unconfined"))
    session = await engine.containers.exec(
        container.id, ExecOptions(command=("grep", "Seccomp:", "/proc/self/status"))
    )
    assert session is not None
    assert await everything(session) == (0, b"Seccomp:\t0\n", b"")


async def test_a_profile_of_one_s_own_decides(engine):
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENODEV}
    flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule], "flags": flags})
    code, _, err = await run(engine, sh("mkdir /made", seccomp=profile))
    assert (code, err) == (1, b"mkdir: can't create directory '/made': No such device\n")


@_on_x86
@pytest.mark.parametrize(("no_new_privileges", "more"), [(False, ["capset"]), (True, [])])
async def test_a_narrow_profile_need_not_allow_what_only_the_engine_does(
    engine, tmp_path, no_new_privileges, more
):
    names = ["execve", "write", "exit", *more]
    rules = [{"names": names, "action": "SCMP_ACT_ALLOW"}]
    profile = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})
    options = {"seccomp": profile, "no_new_privileges": no_new_privileges}
    assert await results(engine, tmp_path, [("x86_64", 39, ())], **options) == [_EPERM]


async def test_a_profile_that_is_none_is_refused_at_create(engine):
    with pytest.raises(InvalidInput, match="'SCMP_ACT_FOO' is not an action"):
        await engine.containers.create(sh("true", seccomp='{"defaultAction": "SCMP_ACT_FOO"}'))


async def test_a_compiled_filter_is_kept(engine):
    await status(engine, cap_add=("SYS_TIME",))
    (kept,) = os.scandir(engine.paths.seccomp)
    made = kept.stat().st_mtime_ns
    await status(engine, cap_add=("SYS_TIME",))
    assert [entry.stat().st_mtime_ns for entry in os.scandir(engine.paths.seccomp)] == [made]


async def test_build_steps_are_filtered(engine, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN grep 'Seccomp:.2' /proc/self/status\n")
    CommandLine(engine.paths).ok("build", "--network", "none", str(tmp_path))


async def test_inspect_shows_what_was_asked(engine):
    asked = CreateOptions(image="busybox", network="none", seccomp="unconfined", no_new_privileges=True)
    container = await engine.containers.create(asked)
    shown = (await engine.containers.inspect(container.id))["HostConfig"]["SecurityOpt"]
    assert shown == ["no-new-privileges", "seccomp=unconfined"]


async def test_info_names_the_filter(engine):
    assert "Security Options:\n seccomp\n  Profile: builtin\n" in CommandLine(engine.paths).ok("info")
    assert "name=seccomp,profile=builtin" in (await engine.info()).security_options


def _hiding_libseccomp() -> list[str]:
    """What a command is put after, to run where the library is an empty file."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    found = [line.split()[-1] for line in listed.splitlines() if "libseccomp.so" in line]
    hide = "".join(f"mount --bind /dev/null {path}; " for path in found)
    return ["unshare", "-m", "--propagation", "private", "sh", "-ec", f'{hide}exec "$@"', "-"]


async def test_a_host_without_libseccomp_has_the_usual_filters_and_is_told_of_others(engine):
    tuidock = CommandLine(engine.paths)

    def bare(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*_hiding_libseccomp(), *tuidock.argv("run", "--rm", "--network", "none", *arguments)]
        return subprocess.run(command, env=tuidock.environ, capture_output=True, text=True, check=False)

    assert bare("busybox", "grep", "Seccomp:", "/proc/self/status").stdout == "Seccomp:\t2\n"
    other = bare("--cap-add", "SYS_TIME", "busybox", "true")
    assert other.returncode == 125
    assert "apt-get install libseccomp2" in other.stderr

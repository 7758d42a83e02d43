"""Known ways from a container to its host, each tried: none of them gets there."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from engine.engine import Engine
from engine.errors import EngineError, RuntimeFailure
from engine.options import AttachOptions, CopyFromOptions, CopyToOptions, DeviceSpec, ExecOptions, MountSpec
from engine.runtime.mounts import MASKED_PATHS
from tests.support import escapes_program
from tests.support.containers import everything, run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

REFUSED = {"EPERM", "EACCES", "EROFS", "ENOENT", "ESRCH", "ENOSYS"}
HIDDEN = next(path for path in MASKED_PATHS if os.path.isfile(path))
"""A file that this kernel has and containers must not see."""
NOTHING = {"[empty]", "[none]", "[own]", "[own root]"}


def interpreter_mounts() -> tuple[MountSpec, ...]:
    """What the host's interpreter needs to come up inside."""
    folders = dict.fromkeys(["/lib", "/lib64", "/usr", sys.base_prefix])
    return tuple(
        MountSpec(type="bind", source=folder, target=folder, read_only=True)
        for folder in folders
        if os.path.isdir(folder)
    )


async def attempts(engine: Engine, **options: object) -> dict[str, str]:
    with open(escapes_program.__file__, encoding="utf-8") as file:
        program = file.read()
    command = (os.path.realpath(sys.executable), "-I", "-S", "-c", program, str(os.getpid()))
    code, out, err = await run(engine, sh("", command=command, mounts=interpreter_mounts(), **options))
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize("seccomp", [None, "unconfined"])
async def test_no_known_way_out_is_open(engine, seccomp):
    """Also where no system call is filtered: each has a second lock."""
    found = await attempts(engine, **({"seccomp": seccomp} if seccomp else {}))
    tolerated = {"dmesg"} if seccomp else set()  # kernel.dmesg_restrict decides, as in Docker
    escaped = {
        name: outcome
        for name, outcome in found.items()
        if name not in tolerated and not set(outcome.split("/")) <= REFUSED and outcome not in NOTHING
    }
    assert escaped == {}
    assert set(found) == set(escapes_program.ATTEMPTS)


async def test_an_image_names_our_interpreter_as_its_command(engine):
    """CVE-2019-5736."""
    attack = (
        "import os\n"
        "for change in (lambda f: os.chmod(f, 0o755), lambda f: os.truncate(f, 1)):\n"
        " try: change('/proc/self/exe'); print('changed')\n"
        " except OSError as error: print(error.errno)\n"
    )
    command = ("/proc/self/exe", "-I", "-S", "-c", attack)
    env = (f"PYTHONHOME={sys.base_prefix}",)
    code, out, err = await run(engine, sh("", command=command, mounts=interpreter_mounts(), env=env))
    assert (code, out) == (0, b"30\n30\n"), err


async def test_a_process_that_traces_finds_no_interpreter_to_write(engine):
    """CVE-2019-5736 with CAP_SYS_PTRACE: /proc/PID/exe of exec sessions, before they are the container's."""
    watch = (
        "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || {"
        " case $(readlink /proc/self/fd/3) in /bin/*) ;;"
        " *) chmod 755 /proc/self/fd/3 && echo changed >> /found;; esac; } 3<$p/exe; done; done 2>>/refused"
    )
    container = await started(engine, sh(watch, cap_add=("SYS_PTRACE",)))
    for _ in range(40):  # it has to be quick to catch one at all
        _, caught, _ = await everything_of(engine, container.id, "grep", "-c", "Read-only", "/refused")
        if int(caught):
            break
    assert int(caught) > 0
    _, found, _ = await everything_of(engine, container.id, "cat", "/found")
    assert found == b""


async def everything_of(engine: Engine, container_id: str, *command: str, **options: object):
    session = await engine.containers.exec(container_id, ExecOptions(command=command, **options))
    assert session is not None
    return await everything(session)


async def test_a_working_directory_leads_to_no_descriptor_of_ours(engine):
    """CVE-2024-21626, at start and in exec sessions."""
    for number in (3, 7, 9):
        with pytest.raises(EngineError):
            await run(engine, sh("cat /proc/self/cwd/etc/shadow", working_dir=f"/proc/self/fd/{number}"))
    container = await started(engine, sh("sleep 60"))
    for number in range(3, 16):
        with pytest.raises(EngineError):
            await everything_of(engine, container.id, "pwd", working_dir=f"/proc/self/fd/{number}")


async def test_an_exec_session_inherits_no_descriptor(engine):
    container = await started(engine, sh("sleep 60"))
    _, out, _ = await everything_of(engine, container.id, "ls", "/proc/self/fd")
    assert out.split() == [b"0", b"1", b"2", b"3"]  # the last is the listing's own


async def test_a_mount_target_that_changes_meanwhile_stays_inside(engine, tmp_path):
    """CVE-2021-30465: a second container swaps the target for a link to the root, all the time."""
    shared, given = tmp_path / "shared", tmp_path / "given"
    (shared / "target").mkdir(parents=True)
    (shared / "link").symlink_to("/")
    given.mkdir()
    (given / "mark").touch()
    volume = MountSpec(type="bind", source=str(shared), target="/shared")
    swap = (
        "cd /shared; while :; do mv target t; mv link target; mv target link; mv t target; done 2>/dev/null"
    )
    swapper = await started(engine, sh(swap, mounts=(volume,)))
    second = MountSpec(type="bind", source=str(given), target="/shared/target")
    script = "cut -d' ' -f4,5 /proc/self/mountinfo | grep given"
    for _ in range(6):
        try:
            _, out, _ = await run(engine, sh(script, mounts=(volume, second)))
        except RuntimeFailure:
            continue  # it was told apart: nothing was started
        targets = {line.split()[1] for line in out.decode().splitlines()}
        assert targets <= {"/shared/target", "/shared/t", "/shared/link", "/"}
        assert not os.path.exists("/mark")
    await engine.containers.kill(swapper.id)


async def test_masks_are_the_hosts_null_device_whatever_the_image_calls_so(engine, tmp_path):
    """CVE-2025-31133: a volume at /dev in which null is a link to what should be hidden or protected."""
    (tmp_path / "null").symlink_to("/proc/sys/kernel/core_pattern")
    dev = MountSpec(type="bind", source=str(tmp_path), target="/dev")
    with open("/proc/sys/kernel/core_pattern", "rb") as file:
        before = file.read()
    script = f"wc -c < {HIDDEN}; echo x > {HIDDEN}; cut -d' ' -f4,5 /proc/self/mountinfo | grep {HIDDEN}"
    code, out, err = await run(engine, sh(script, mounts=(dev,)))
    assert (code, out.splitlines()) == (0, [b"0", f"/null {HIDDEN}".encode()]), err
    with open("/proc/sys/kernel/core_pattern", "rb") as file:
        assert file.read() == before


async def test_the_mask_itself_cannot_be_changed(engine):
    """It is the host's null device: its mode and owner are everybody's."""
    before = os.stat("/dev/null")
    code, _, err = await run(engine, sh(f"chmod 000 {HIDDEN}; chown 1 {HIDDEN}"))
    assert code != 0
    assert err.count(b"Read-only") == 2
    assert (os.stat("/dev/null").st_mode, os.stat("/dev/null").st_uid) == (before.st_mode, before.st_uid)


async def test_an_empty_input_is_not_the_hosts_null_device(engine):
    """Through a descriptor of that, root inside could change its mode: for everybody."""
    script = "stat -L -c %d /proc/self/fd/0; rm /dev/null; sleep 60"
    container = await engine.containers.create(sh(script))
    session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
    chunk = await session.read()
    session.close()
    assert chunk is not None
    assert int(chunk[1]) != os.stat("/dev/null").st_dev
    # Where the container has none any more it gets the host's, but read-only.
    code, _, err = await everything_of(engine, container.id, "chmod", "666", "/proc/self/fd/0")
    assert (code, b"Read-only file system" in err) == (1, True)


async def test_a_console_that_is_a_link_is_refused(engine, tmp_path):
    """CVE-2025-52565: the terminal would be mounted where the link leads, over what is protected there."""
    (tmp_path / "console").symlink_to("/proc/sysrq-trigger")
    (tmp_path / "pts").mkdir()
    dev = MountSpec(type="bind", source=str(tmp_path), target="/dev")
    pts = MountSpec(type="bind", source="/dev/pts", target="/dev/pts")
    with pytest.raises(RuntimeFailure, match="symbolic links"):
        await run(engine, sh("true", tty=True, mounts=(dev, pts)))


@pytest.mark.parametrize("target", ["/proc", "/proc/sys", "/proc/self/attr", "/data/../proc/sys/kernel"])
async def test_nothing_is_mounted_over_the_kernels_own_files(engine, tmp_path, target):
    """CVE-2025-52881: what the engine writes there would go somewhere else."""
    mount = MountSpec(type="bind", source=str(tmp_path), target=target)
    with pytest.raises(RuntimeFailure, match="cannot be mounted because it is"):
        await run(engine, sh("true", mounts=(mount,)))


async def test_cp_follows_no_link_out_of_a_container(engine, tmp_path):
    """CVE-2019-14271 and its like: in, out, absolute and relative, running."""
    script = "ln -s / /up; ln -s ../../../../../../../.. /rel; mkdir -p /$0; sleep 60"
    container = await started(engine, sh("", command=("sh", "-c", script, str(tmp_path))))
    await everything_of(
        engine, container.id, "sh", "-c", 'until [ -d "$0" ]; do sleep 0.02; done', str(tmp_path)
    )
    (tmp_path / "file").write_text("the host's")
    for link in ("up", "rel"):
        await engine.containers.copy_to(
            container.id, CopyToOptions(path=f"/{link}{tmp_path}/in-{link}", source=str(tmp_path / "file"))
        )
        assert not (tmp_path / f"in-{link}").exists()
        with pytest.raises(EngineError):
            await engine.containers.copy_from(
                container.id, CopyFromOptions(path=f"/{link}{tmp_path}/file", target=str(tmp_path / "out"))
            )
        assert not (tmp_path / "out").exists()


async def test_a_device_is_held_to_what_was_asked_for(engine):
    """--device with "r": reading yes, writing no, and no other device comes with it."""
    zero = DeviceSpec(path_on_host="/dev/zero", path_in_container="/dev/other", permissions="r")
    rule = ("c 10:229 r",)
    script = (
        "head -c 1 /dev/other | wc -c; mknod /dev/f c 10 229; (: < /dev/f) 2>&1;"
        " (: > /dev/f) 2>&1; mknod /dev/g c 10 200; (: < /dev/g) 2>&1; true"
    )
    code, out, err = await run(engine, sh(script, devices=(zero,), device_cgroup_rules=rule))
    assert code == 0, err
    lines = out.decode().splitlines()
    assert lines[0] == "1"
    assert sum("not permitted" in line for line in lines) == 2


async def test_fork_and_exec_races_leave_nothing_of_ours_open(engine):
    """Many sessions at once, each looks at every process that it can see."""
    container = await started(engine, sh("sleep 60"))
    script = "for p in /proc/[0-9]*; do ls $p/fd 2>/dev/null | wc -l; readlink $p/cwd $p/root; done"
    results = await asyncio.gather(
        *(everything_of(engine, container.id, "sh", "-c", script) for _ in range(4))
    )
    for _, out, _ in results:
        assert {line for line in out.decode().split() if not line.isdigit()} <= {"/"}

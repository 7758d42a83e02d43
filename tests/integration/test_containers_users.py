"""Containers in user namespaces: whose ids they run with, and that nothing on disk is shifted for it."""

from __future__ import annotations

import asyncio
import os
import stat
from itertools import pairwise

import pytest

from engine.engine import Engine
from engine.errors import EngineError, InvalidInput
from engine.options import (
    AttachOptions,
    CommitOptions,
    CopyFromOptions,
    CopyToOptions,
    ExecOptions,
    MountSpec,
    RemoveContainerOptions,
)
from tests.support.containers import everything, run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]


async def out(engine: Engine, script: str, **options: object) -> list[str]:
    code, text, err = await run(engine, sh(script, **{"userns": "auto", **options}))
    assert code == 0, err
    return text.decode().splitlines()


async def said(engine: Engine, reference: str, script: str, **options: object) -> tuple[list[str], bytes]:
    wanted = ExecOptions(command=("sh", "-c", script), **options)  # type: ignore[arg-type]
    session = await engine.containers.exec(reference, wanted)
    assert session is not None
    _, text, err = await everything(session)
    return text.decode().splitlines(), err


def outside(pid: int) -> list[int]:
    """The ids that the process has on the host: real user and group."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        lines = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    return [int(lines[name].split()[0]) for name in ("Uid", "Gid")]


async def test_root_inside_is_nobody_outside(engine):
    container = await started(engine, sh("sleep 60", userns="auto"))
    first = container.options.id_map[0].host
    assert outside(container.state.pid) == [first, first]
    assert first >= 65536
    assert (await said(engine, container.id, "id -u"))[0] == ["0"]


async def test_every_namespace_belongs_to_the_user_namespace(engine):
    container = await started(engine, sh("sleep 60", userns="auto"))
    users = os.readlink(f"/proc/{container.state.pid}/ns/user")
    assert users != os.readlink("/proc/self/ns/user")
    # Its root may set names and mount in it, which only the owner of those namespaces may.
    script = "hostname inside && mount -t tmpfs t /tmp && mount -t proc p /proc && hostname"
    assert await out(engine, script, cap_add=("SYS_ADMIN",), systempaths_unconfined=True) == ["inside"]


async def test_files_on_disk_are_not_shifted(engine):
    script = (
        "echo a > /a; mkdir /d; chown 1000:1001 /d; rm -r /home; stat -c %u:%g /a /d /bin/busybox /etc/hosts"
    )
    container = await engine.containers.create(sh(script, userns="auto"))
    session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
    _, text, err = await everything(session)
    assert (text.decode().split(), err) == (["0:0", "1000:1001", "0:0", "0:0"], b"")
    upper = engine.paths.container_upper(container.id)
    owners = {name: os.lstat(f"{upper}/{name}") for name in os.listdir(upper)}
    assert [(owners[name].st_uid, owners[name].st_gid) for name in ("a", "d")] == [(0, 0), (1000, 1001)]
    assert stat.S_ISCHR(owners["home"].st_mode), "removed by a whiteout"
    changes = {(change.kind, change.path) for change in await engine.containers.diff(container.id)}
    assert {("A", "/a"), ("A", "/d"), ("D", "/home")} <= changes


async def test_a_commit_is_like_any_other(engine):
    container = await engine.containers.create(sh("mkdir /d; chown 5:6 /d", userns="auto"))
    await everything(await engine.containers.start_attached(container.id, AttachOptions(stdin=False)))
    image = await engine.containers.commit(container.id, CommitOptions())
    assert await out(engine, "stat -c %u:%g /d", image=image.id, userns="") == ["5:6"]
    assert await out(engine, "stat -c %u:%g /d", image=image.id) == ["5:6"]


async def test_a_volume_is_the_containers_and_a_bind_is_the_hosts(engine, tmp_path):
    mounts = (
        MountSpec(type="volume", source="shared", target="/vol"),
        MountSpec(type="bind", source=str(tmp_path), target="/host"),
    )
    os.chmod(tmp_path, 0o755)
    script = (
        "touch /vol/f; chown 7:8 /vol/f; stat -c %u:%g /vol /host; touch /host/x 2>/dev/null || echo refused"
    )
    assert await out(engine, script, mounts=mounts) == ["0:0", "65534:65534", "refused"]
    status = os.stat(f"{engine.paths.volume('shared')}/f")
    assert (status.st_uid, status.st_gid) == (7, 8)
    assert await out(engine, "stat -c %u:%g /vol/f", mounts=mounts[:1], userns="") == ["7:8"]


async def test_containers_never_have_ids_in_common(engine):
    created = await asyncio.gather(
        *(engine.containers.create(sh("true", userns="auto:size=1000")) for _ in range(4))
    )
    ranges = sorted((one.options.id_map[0].host, one.options.id_map[0].size) for one in created)
    assert all(first + size <= then for (first, size), (then, _) in pairwise(ranges))
    await engine.containers.remove(created[0].id, RemoveContainerOptions())
    again = await engine.containers.create(sh("true", userns="auto:size=1000"))
    assert again.options.id_map == created[0].options.id_map


async def test_a_map_of_ones_own_is_taken_as_it_is(engine):
    found = await out(
        engine, "cat /proc/self/uid_map /proc/self/gid_map", userns="map:0:200000:1000,1000:300000:5"
    )
    assert [line.split() for line in found] == [["0", "200000", "1000"], ["1000", "300000", "5"]] * 2


async def test_another_user_has_streams_and_groups(engine):
    script = "id -u; id -G; echo again > /dev/stdout"
    assert await out(engine, script, user="500", group_add=("20",)) == ["500", "0 20", "again"]


async def test_an_exec_is_inside_too(engine):
    container = await started(engine, sh("sleep 60", userns="auto"))
    script = (
        "id -u; cat /proc/self/uid_map > /dev/stdout; grep CapEff /proc/self/status /proc/1/status | cut -f2"
    )
    found, err = await said(engine, container.id, script)
    assert (found[0], err) == ("0", b"")
    assert found[1].split()[1] == str(container.options.id_map[0].host)
    assert found[2] == found[3]


async def test_what_is_copied_in_and_out_has_the_owners_of_the_inside(engine, tmp_path):
    """While it runs; a stopped one is like any other, because nothing on disk is shifted."""
    (tmp_path / "note").write_text("hello\n")
    os.chown(tmp_path / "note", 7, 8)
    script = "echo x > /own; chown 1000:1001 /own; touch /ready; sleep 60"
    container = await started(engine, sh(script, userns="auto"))
    await said(engine, container.id, "until [ -e /ready ]; do :; done")
    await engine.containers.copy_to(container.id, CopyToOptions(path="/note", source=str(tmp_path / "note")))
    assert (await said(engine, container.id, "stat -c %u:%g /note; cat /note"))[0] == ["7:8", "hello"]
    wanted = CopyFromOptions(path="/own", target=str(tmp_path / "own"), archive=True)
    await engine.containers.copy_from(container.id, wanted)
    status = os.stat(tmp_path / "own")
    assert (status.st_uid, status.st_gid) == (1000, 1001)


async def test_a_terminal_and_an_init_work_inside(engine):
    container = await started(engine, sh("test -c /dev/console && sleep 60", userns="auto", tty=True))
    assert (await said(engine, container.id, "tty; stat -c %u $(tty)", tty=True))[0] == ["/dev/pts/1", "0"]


async def test_the_hosts_devices_keep_their_owner(engine):
    """They are bound, not made: what is done to them inside would be done to the host's."""
    before = os.stat("/dev/null")
    code, _, err = await run(engine, sh("echo x > /dev/null; chown 5 /dev/null", userns="auto"))
    assert (code != 0, b"not permitted" in err) == (True, True)
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


async def test_a_user_that_is_not_mapped_is_refused_in_words(engine):
    with pytest.raises(EngineError, match="70000:0, or one of its groups, is no id in the container's user"):
        await run(engine, sh("true", userns="auto", user="70000"))


async def test_a_few_ids_are_enough(engine):
    assert await out(engine, "id -u; ls -d /dev/pts", userns="auto:size=1", user="0:0") == ["0", "/dev/pts"]


async def test_the_network_is_the_containers(engine):
    assert await out(
        engine, "ip link set lo down && cat /proc/sys/net/ipv4/ping_group_range", cap_add=("NET_ADMIN",)
    ) == ["0\t65535"]


async def test_what_needs_the_hosts_root_is_refused(engine):
    """In Docker's words, where it has some."""
    for options, words in (
        ({"privileged": True}, "privileged mode is incompatible with user namespaces"),
        ({"network": "host"}, "cannot share the host's network namespace when user namespaces are enabled"),
        ({"pid": "host"}, "cannot share the host PID namespace when user namespaces are enabled"),
        ({"ipc": "host"}, "cannot share another's ipc namespace"),
        ({"userns": "nonsense"}, "invalid USER mode"),
        ({"userns": "auto:size=4294967295"}, "no 4294967295 ids are free"),
    ):
        with pytest.raises(InvalidInput, match=words):
            await engine.containers.create(sh("true", **{"userns": "auto", **options}))

"""Which namespaces a container shares, and that it dies whole whichever those are."""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.engine import Engine
from engine.errors import Conflict, EngineError, InvalidInput, NotFound
from engine.options import CreateNetworkOptions, ExecOptions, RemoveContainerOptions
from tests.support.containers import everything, run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

KERNEL_NAMES = {"pid": "pid", "ipc": "ipc", "uts": "uts", "cgroupns": "cgroup"}
SHOW = "; ".join(f"readlink /proc/self/ns/{name}" for name in KERNEL_NAMES.values())


def shown(pid: int | str) -> list[str]:
    """What SHOW says in the namespaces of the process."""
    return [os.readlink(f"/proc/{pid}/ns/{name}") for name in KERNEL_NAMES.values()]


async def out(engine: Engine, script: str, **options: object) -> list[str]:
    code, text, err = await run(engine, sh(script, **options))
    assert code == 0, err
    return text.decode().splitlines()


async def said(engine: Engine, reference: str, script: str, **options: object) -> list[str]:
    """What a second process in the container says."""
    wanted = ExecOptions(command=("sh", "-c", script), **options)  # type: ignore[arg-type]
    session = await engine.containers.exec(reference, wanted)
    assert session is not None
    code, text, err = await everything(session)
    assert code == 0, err
    return text.decode().splitlines()


async def test_a_namespace_is_the_hosts_on_request(engine):
    assert await out(engine, SHOW, **dict.fromkeys(KERNEL_NAMES, "host")) == shown("self")


async def test_a_namespace_is_another_containers_on_request(engine):
    peer = await started(engine, sh("sleep 60", ipc="shareable"))
    theirs = shown(peer.state.pid)
    assert not set(theirs) & set(shown("self"))
    assert await out(engine, SHOW, **dict.fromkeys(KERNEL_NAMES, f"container:{peer.name}")) == theirs


async def test_an_exec_joins_what_the_container_shares(engine):
    peer = await started(engine, sh("sleep 60", ipc="shareable"))
    for mode in ("host", f"container:{peer.name}"):
        container = await started(engine, sh("sleep 60", **dict.fromkeys(KERNEL_NAMES, mode)))
        assert await said(engine, container.id, SHOW) == shown(container.state.pid)


async def test_proc_shows_the_processes_of_the_namespace_that_is_shared(engine):
    assert await out(engine, "cat /proc/1/comm", pid="host") == [_text("/proc/1/comm")]
    peer = await started(engine, sh("", command=("sleep", "4321")))
    assert (await out(engine, "tr '\\0' ' ' < /proc/1/cmdline", pid=f"container:{peer.name}")) == [
        "sleep 4321 "
    ]


@pytest.mark.parametrize("shares", ["host", "peer"])
async def test_processes_in_a_shared_namespace_die_with_their_container(engine, shares):
    peer = await started(engine, sh("sleep 60"))
    mode = "host" if shares == "host" else f"container:{peer.name}"
    container = await started(engine, sh("sleep 4322 & exec sleep 4323", pid=mode))
    while not _sleepers() >= {"4322", "4323"}:
        await asyncio.sleep(0.01)
    await engine.containers.kill(container.id)
    await engine.containers.wait(container.id)
    assert not _sleepers() & {"4322", "4323"}
    assert (await engine.containers.get(peer.id)).state.running


async def test_shared_memory_is_the_peers(engine):
    peer = await started(engine, sh("echo hello > /dev/shm/note; sleep 60", ipc="shareable"))
    script = "until [ -e /dev/shm/note ]; do :; done; cat /dev/shm/note; echo world > /dev/shm/reply"
    assert await out(engine, script, ipc=f"container:{peer.name}") == ["hello"]
    assert await said(engine, peer.id, "cat /dev/shm/reply") == ["world"]


async def test_shared_memory_is_the_hosts_or_none(engine):
    assert await out(engine, "stat -c %d /dev/shm", ipc="host") == [str(os.stat("/dev/shm").st_dev)]
    assert await out(engine, "ls -d /dev/shm /dev/mqueue 2>/dev/null || true", ipc="none") == ["/dev/mqueue"]


async def test_a_private_ipc_is_not_joined(engine):
    for mode in ("", "private", "none"):
        peer = await started(engine, sh("sleep 60", ipc=mode))
        container = await engine.containers.create(sh("true", ipc=f"container:{peer.name}"))
        with pytest.raises(Conflict, match=f"can't join IPC of container {peer.id}: non-shareable IPC"):
            await engine.containers.start(container.id)


async def test_joining_a_stopped_container_is_refused_at_start(engine):
    peer = await engine.containers.create(sh("sleep 60", ipc="shareable"))
    for kind, words in (("pid", "container"), ("ipc", f"can't join IPC of container {peer.id}: container")):
        container = await engine.containers.create(sh("true", **{kind: f"container:{peer.name}"}))
        with pytest.raises(Conflict, match=f"^{words} {peer.id} is not running$"):
            await engine.containers.start(container.id)


async def test_a_restart_after_the_peer_died_says_so(engine):
    peer = await started(engine, sh("sleep 60"))
    container = await started(engine, sh("sleep 60", pid=f"container:{peer.name}"))
    await engine.containers.kill(container.id)
    await engine.containers.wait(container.id)
    await engine.containers.kill(peer.id)
    await engine.containers.wait(peer.id)
    with pytest.raises(Conflict, match=f"^container {peer.id} is not running$"):
        await engine.containers.start(container.id)


async def test_what_a_start_needs_and_is_gone_is_named(engine):
    peer = await engine.containers.create(sh("sleep 60"))
    network = await engine.networks.create(CreateNetworkOptions(name="gone"))
    sharing = await engine.containers.create(sh("true", pid=f"container:{peer.name}"))
    connected = await engine.containers.create(sh("true", network="gone"))
    await engine.containers.remove(peer.id, RemoveContainerOptions())
    await engine.networks.remove(network.name)
    for container, missing in (
        (sharing, f"No such container: {peer.id}"),
        (connected, "network gone not found"),
    ):
        with pytest.raises(NotFound, match=f"^{missing}$"):
            await engine.containers.start(container.id)


async def test_joining_nobody_is_refused_at_create(engine):
    for kind in KERNEL_NAMES:
        with pytest.raises(NotFound, match="No such container: nobody"):
            await engine.containers.create(sh("true", **{kind: "container:nobody"}))


async def test_a_peer_is_meant_by_its_id_whatever_it_is_called_later(engine):
    peer = await engine.containers.create(sh("true"))
    container = await engine.containers.create(sh("true", pid=f"container:{peer.name}"))
    assert container.options.pid == f"container:{peer.id}"


async def test_a_mode_that_there_is_not_is_refused(engine):
    for kind, mode in (("pid", "foo"), ("uts", "shareable"), ("ipc", "container:"), ("cgroupns", "none")):
        with pytest.raises(InvalidInput, match=r"^invalid \w+ mode: "):
            await engine.containers.create(sh("true", **{kind: mode}))


async def test_names_are_the_hosts_where_uts_is(engine):
    assert (
        await out(engine, "hostname; echo $HOSTNAME; cat /etc/hostname", uts="host")
        == [os.uname().nodename] * 3
    )
    with pytest.raises(InvalidInput, match="conflicting options: hostname and the UTS mode"):
        await engine.containers.create(sh("true", uts="host", hostname="x"))


async def test_a_domain_name_is_set(engine):
    script = "cat /proc/sys/kernel/domainname /proc/sys/kernel/hostname"
    assert await out(engine, script, domainname="example.org", hostname="box") == ["example.org", "box"]
    assert os.uname().nodename != "box"


async def test_control_groups_are_seen_from_the_host_or_from_the_container(engine):
    private = await out(engine, "cut -d: -f3 /proc/self/cgroup")
    assert set(private) == {"/"}
    shared = await out(engine, "cut -d: -f3 /proc/self/cgroup", cgroupns="host")
    assert any(path.startswith("/tuidock/") for path in shared)


async def test_a_session_keyring_is_the_containers_own_and_its_execs_share_it(engine):
    container = await started(engine, sh("sleep 60", systempaths_unconfined=True))
    found = await said(engine, container.id, f"grep -c _ses.{container.id} /proc/keys")
    assert found == ["1"]


async def test_open_system_paths_are_not_hidden(engine):
    script = "grep -c ' /proc/' /proc/self/mountinfo || true; echo x > /proc/sys/kernel/hostname; hostname"
    assert await out(engine, script, systempaths_unconfined=True) == ["0", "x"]


async def test_extra_groups_are_the_images(engine):
    options = {"user": "1000", "group_add": ("77", "wheel")}
    container = await started(engine, sh("sleep 60", **options))
    assert await said(engine, container.id, "id -G") == ["0 10 77"]
    with pytest.raises(EngineError, match="Unable to find group nosuch: no matching entries in group file"):
        await run(engine, sh("true", group_add=("nosuch",)))


async def test_a_security_module_that_the_kernel_lacks_is_refused(engine):
    if not os.path.exists("/sys/module/apparmor"):
        with pytest.raises(InvalidInput, match="AppArmor"):
            await engine.containers.create(sh("true", apparmor="some-profile"))
    if not os.path.exists("/sys/fs/selinux/enforce"):
        with pytest.raises(InvalidInput, match="SELinux"):
            await engine.containers.create(sh("true", label=("type:container_t",)))
    assert await out(engine, "echo ok", apparmor="unconfined", label=("disable",)) == ["ok"]


async def test_inspect_shows_what_is_shared(engine):
    modes = {"pid": "host", "ipc": "shareable", "uts": "host", "cgroupns": "host", "userns": "host"}
    container = await engine.containers.create(
        sh("true", group_add=("5",), annotations={"a": "b"}, systempaths_unconfined=True, **modes)
    )
    shown = (await engine.containers.inspect(container.id))["HostConfig"]
    names = ("PidMode", "IpcMode", "UTSMode", "CgroupnsMode", "UsernsMode", "GroupAdd", "MaskedPaths")
    assert [shown[name] for name in names] == ["host", "shareable", "host", "host", "host", ["5"], []]
    assert shown["Annotations"] == {"a": "b"}


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _sleepers() -> set[str]:
    """The arguments of every sleep(1) on the machine."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0] == b"sleep":
            found.add(words[1].decode())
    return found

"""Limits of containers on this kernel: as they arrive inside, as they are changed, and what they do."""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.errors import CommandNotFound, InvalidInput, NotFound, RuntimeFailure
from engine.events import Warned
from engine.options import (
    AttachOptions,
    CreateOptions,
    DeviceRate,
    EventFilter,
    Resources,
    RestartPolicy,
    StatsOptions,
    Ulimit,
    UpdateOptions,
)
from engine.runtime.cgroups import read_host
from engine.runtime.cgroups.support import read_support

pytestmark = pytest.mark.root
MIB = 1 << 20
V2 = read_host().pure
SUPPORT = read_support(read_host())
GROUPS = "/sys/fs/cgroup"


def inside(controller: str, v1: str, v2: str) -> str:
    """Where the container finds the file of a limit."""
    return f"{GROUPS}/{v2}" if V2 else f"{GROUPS}/{controller}/{v1}"


MEMORY = inside("memory", "memory.limit_in_bytes", "memory.max")
PIDS = inside("pids", "pids.max", "pids.max")
SHARES = inside("cpu", "cpu.shares", "cpu.weight")


@pytest.fixture
def start(engine, busybox_image):
    async def started(*command: str, **options: object):
        wanted = CreateOptions(image="busybox", command=command, network="none", **options)  # type: ignore[arg-type]
        container = await engine.containers.create(wanted)
        await engine.containers.start(container.id)
        return container.id

    return started


@pytest.fixture
def output(engine, busybox_image):
    async def of(*command: str, **options: object) -> str:
        wanted = CreateOptions(image="busybox", command=command, network="none", **options)  # type: ignore[arg-type]
        container = await engine.containers.create(wanted)
        session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
        return await everything(session)

    return of


async def everything(session) -> str:
    text = b""
    while (chunk := await session.read()) is not None:
        text += chunk[1]
    return text.decode()


@pytest.fixture
def read(engine):
    async def of(container: str, path: str) -> str:
        from engine.options import ExecOptions

        session = await engine.containers.exec(container, ExecOptions(command=("cat", path)))
        return (await everything(session)).strip()

    return of


async def test_limits_arrive_inside(output):
    limits = Resources(memory=64 * MIB, pids_limit=20, nano_cpus=5 * 10**8, cpu_shares=512)
    quota = inside("cpu", "cpu.cfs_quota_us", "cpu.max")
    shown = await output("cat", MEMORY, PIDS, quota, SHARES, resources=limits)
    assert shown.split() == [str(64 * MIB), "20", *(("50000", "100000", "20") if V2 else ("50000", "512"))]


async def test_processors_are_pinned(output):
    shown = await output(
        "grep", "Cpus_allowed_list", "/proc/self/status", resources=Resources(cpuset_cpus="0")
    )
    assert shown.split()[1] == "0"


async def test_limits_of_the_process_arrive_inside(output):
    ulimits = (Ulimit("core", -1, -1), Ulimit("locks", 5, 6), Ulimit("nofile", 100, 200))
    shown = await output("cat", "/proc/self/limits", resources=Resources(ulimits=ulimits))
    rows = {line[:25].strip(): tuple(line[25:].split()[:2]) for line in shown.splitlines()}
    assert (rows["Max core file size"], rows["Max file locks"]) == (("unlimited", "unlimited"), ("5", "6"))
    assert rows["Max open files"] == ("100", "200")


async def test_a_limit_that_the_kernel_does_not_give_is_refused(start):
    with open("/proc/sys/fs/nr_open", encoding="ascii") as file:
        too_many = int(file.read()) + 1
    with pytest.raises(RuntimeFailure, match="setting ulimit nofile"):
        await start("true", resources=Resources(ulimits=(Ulimit("nofile", too_many, too_many),)))


async def test_parameters_of_its_own_namespaces(output):
    sysctls = {"kernel.shmmax": "12345678", "net.ipv4.ip_forward": "1"}
    shown = await output("cat", "/proc/sys/kernel/shmmax", "/proc/sys/net/ipv4/ip_forward", sysctls=sysctls)
    assert shown.split() == ["12345678", "1"]


@pytest.mark.parametrize("name", ["kernel.hostname", "vm.swappiness", "net/ipv4/ip_forward", "foo"])
async def test_parameters_of_the_host_are_refused(engine, busybox_image, name):
    with pytest.raises(InvalidInput, match=f"sysctl '{name}=1' is not allowed"):
        await engine.containers.create(CreateOptions(image="busybox", sysctls={name: "1"}))


async def test_network_parameters_with_the_hosts_network_are_refused(engine, busybox_image):
    wanted = CreateOptions(image="busybox", network="host", sysctls={"net.ipv4.ip_forward": "1"})
    with pytest.raises(InvalidInput, match="not allowed in host network namespace"):
        await engine.containers.create(wanted)


async def test_shared_memory_and_the_killers_preference(output):
    shown = await output(
        "sh", "-c", "df -k /dev/shm | tail -1; cat /proc/self/oom_score_adj", shm_size=MIB, oom_score_adj=300
    )
    assert (shown.split()[1], shown.split()[-1]) == ("1024", "300")


async def test_a_caller_that_is_protected_from_the_killer_protects_no_container(output):
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        own = file.read()
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("100")
    try:
        assert (await output("cat", "/proc/self/oom_score_adj")).strip() == "0"
    finally:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(own)


async def test_what_the_kernel_lacks_is_left_out_and_told(engine, busybox_image):
    told: list[object] = []
    limits = Resources(blkio_weight=500, memory_swappiness=5)
    wanted = CreateOptions(image="busybox", resources=limits)
    container = await engine.containers.create(wanted, told.append)
    given = container.options.resources
    assert bool(given.blkio_weight) == SUPPORT.blkio_weight
    assert (given.memory_swappiness is not None) == SUPPORT.memory_swappiness
    lacking = [SUPPORT.blkio_weight, SUPPORT.memory_swappiness].count(False)
    assert sum(isinstance(fact, Warned) for fact in told) == lacking


async def test_a_disk_that_is_not_there_is_refused(engine, busybox_image):
    limits = Resources(device_read_bps=(DeviceRate("/dev/nothere", 1),))
    with pytest.raises(CommandNotFound, match="stat /dev/nothere"):
        await engine.containers.create(CreateOptions(image="busybox", resources=limits))


async def test_a_container_below_a_group_that_is_named(start, engine):
    container = await start("sleep", "1000", resources=Resources(cgroup_parent="td-test-parent/below"))
    host = read_host(Resources(cgroup_parent="td-test-parent/below"))
    roots = [host.root] if V2 else [host.find("pids").mount]  # type: ignore[union-attr]
    assert os.path.isdir(f"{roots[0]}/td-test-parent/below/{container}")
    await engine.containers.stop(container, 0)
    for one in [host.root] if V2 else [one.mount for one in host.hierarchies]:
        for folder in ("td-test-parent/below", "td-test-parent"):
            if os.path.isdir(f"{one}/{folder}"):
                os.rmdir(f"{one}/{folder}")


async def oom_events(engine, container: str) -> int:
    wanted = EventFilter(follow=False, filters={"container": (container,), "event": ("oom",)})
    return len([event async for event in engine.events(wanted)])


GREEDY = "dd if=/dev/zero of=/dev/null bs=60M count=1"
SMALL = Resources(memory=20 * MIB, memory_swap=20 * MIB)


async def test_memory_that_runs_out_ends_the_container(engine, start):
    container = await start(*GREEDY.split(), resources=SMALL)
    assert await engine.containers.wait(container) == 137
    assert (await engine.containers.get(container)).state.oom_killed
    assert await oom_events(engine, container) == 1


async def test_a_child_that_is_killed_for_memory_is_told_of_while_the_container_runs(engine, start):
    container = await start("sh", "-c", f"{GREEDY}; touch /over; sleep 1000", resources=SMALL)
    async with asyncio.timeout(10):
        while not (await engine.containers.get(container)).state.oom_killed:
            await asyncio.sleep(0.02)
    assert (await engine.containers.get(container)).state.running
    await engine.containers.stop(container, 0)
    assert (await engine.containers.get(container)).state.oom_killed
    assert await oom_events(engine, container) == 1


async def test_a_new_run_was_not_killed_for_memory(engine, start):
    container = await start("sh", "-c", f"test -e /again || {{ touch /again; {GREEDY}; }}", resources=SMALL)
    await engine.containers.wait(container)
    await engine.containers.start(container)
    await engine.containers.wait(container)
    assert not (await engine.containers.get(container)).state.oom_killed


async def test_an_update_changes_a_running_container(engine, start, read):
    container = await start("sleep", "1000", resources=SMALL)
    limits = Resources(memory=64 * MIB, memory_swap=-1, cpu_shares=512)
    assert await engine.containers.update(container, UpdateOptions(resources=limits, pids_limit=30)) == ()
    shown = [await read(container, path) for path in (MEMORY, PIDS, SHARES)]
    assert shown == [str(64 * MIB), "30", "20" if V2 else "512"]
    kept = (await engine.containers.get(container)).options.resources
    assert (kept.memory, kept.memory_swap, kept.pids_limit) == (64 * MIB, -1, 30)


async def test_an_update_of_a_stopped_container_counts_from_its_next_start(engine, start, read):
    container = await start("sleep", "1000")
    await engine.containers.stop(container, 0)
    await engine.containers.update(container, UpdateOptions(pids_limit=30))
    await engine.containers.start(container)
    assert await read(container, PIDS) == "30"


async def test_an_update_that_is_refused_changes_nothing(engine, start, read):
    container = await start("sleep", "1000", resources=SMALL)
    wanted = UpdateOptions(resources=Resources(memory=64 * MIB), pids_limit=30)
    with pytest.raises(InvalidInput, match=f"Cannot update container {container}: Memory limit should be"):
        await engine.containers.update(container, wanted)
    assert (await read(container, MEMORY), await read(container, PIDS)) == (str(20 * MIB), "max")
    assert (await engine.containers.get(container)).options.resources.pids_limit == 0


async def test_a_container_that_is_removed_at_its_end_is_never_restarted(engine, start):
    container = await start("sleep", "1000", auto_remove=True)
    with pytest.raises(InvalidInput, match="Restart policy cannot be updated because AutoRemove is enabled"):
        await engine.containers.update(container, UpdateOptions(restart=RestartPolicy(name="always")))


async def test_two_updates_at_once_both_count(engine, start):
    container = await start("sleep", "1000")
    results = await asyncio.gather(
        engine.containers.update(container, UpdateOptions(pids_limit=30)),
        engine.containers.update(container, UpdateOptions(resources=Resources(cpu_shares=512))),
    )
    kept = (await engine.containers.get(container)).options.resources
    assert (kept.pids_limit, kept.cpu_shares, results) == (30, 512, [(), ()])


async def first(found):
    async for stats in found:
        return stats
    raise AssertionError("nothing was told")


async def test_what_a_container_uses(engine, start):
    limits = Resources(memory=64 * MIB)
    container = await start("sh", "-c", "while :; do :; done", resources=limits)
    (found,) = await first(engine.containers.stats(StatsOptions(containers=(container,), stream=False)))
    assert found.running
    assert (found.id, found.memory_limit, found.pids) == (container, 64 * MIB, 1)
    assert 0 < found.memory < 8 * MIB
    assert found.cpu_percent > 5


async def test_a_stopped_container_uses_nothing(engine, start):
    container = await start("true")
    await engine.containers.wait(container)
    (found,) = await first(engine.containers.stats(StatsOptions(all=True, stream=False)))
    assert (found.running, found.memory, found.memory_limit, found.pids) == (False, 0, 0, 0)


async def test_only_running_containers_are_told_of(engine, start):
    container = await start("true")
    await engine.containers.wait(container)
    assert await first(engine.containers.stats(StatsOptions(stream=False))) == ()


async def test_the_use_of_what_is_not_there(engine):
    with pytest.raises(NotFound):
        await first(engine.containers.stats(StatsOptions(containers=("nothere",))))


async def test_processes_as_ps_shows_them(engine, start):
    container = await start("sleep", "1000")
    found = await engine.containers.top(container)
    assert found.titles == ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
    pid = str((await engine.containers.get(container)).state.pid)
    assert [(row[0], row[1], row[-1]) for row in found.rows] == [("root", pid, "sleep 1000")]


async def test_processes_as_the_hosts_ps_shows_them_when_asked(engine, start):
    container = await start("sleep", "1000")
    found = await engine.containers.top(container, ("-o", "pid,comm"))
    pid = str((await engine.containers.get(container)).state.pid)
    assert (found.titles, found.rows) == (("PID", "COMMAND"), ((pid, "sleep"),))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("-o", "comm"), "Couldn't find PID field"), (("-o", "user,pid=PID"), 'specifying "user,pid=PID"')],
)
async def test_rows_without_a_pid_are_refused(engine, start, arguments, words):
    container = await start("sleep", "1000")
    with pytest.raises(InvalidInput, match=words):
        await engine.containers.top(container, arguments)

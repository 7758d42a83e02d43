from __future__ import annotations

import os

import pytest

from engine.engine import Engine
from engine.errors import NotFound
from engine.options import Resources
from engine.runtime.attachment import Attachment
from engine.runtime.bundle import Surroundings, container_bundle
from engine.runtime.capabilities import capability_bits, capability_names
from engine.runtime.cgroups import HostCgroups, read_host
from engine.runtime.mounts import MASKED_PATHS
from tests.support.containers import run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]


async def out(engine: Engine, script: str, **options: object) -> list[str]:
    code, text, err = await run(engine, sh(script, **options))
    assert code == 0, err
    return text.decode().splitlines()


async def test_every_namespace_is_its_own(engine):
    names = ("pid", "mnt", "uts", "ipc", "net", "cgroup")
    theirs = await out(engine, "; ".join(f"readlink /proc/self/ns/{name}" for name in names))
    ours = [os.readlink(f"/proc/self/ns/{name}") for name in names]
    assert not set(theirs) & set(ours)


async def test_the_host_network_is_shared_on_request(engine):
    assert await out(engine, "readlink /proc/self/ns/net; hostname", network="host") == [
        os.readlink("/proc/self/ns/net"),
        os.uname().nodename,
    ]


async def test_a_container_can_join_anothers_network(engine):
    other = await started(engine, sh("sleep 60"))
    mode = f"container:{other.name}"
    assert await out(engine, "readlink /proc/self/ns/net; hostname", network=mode) == [
        os.readlink(f"/proc/{other.state.pid}/ns/net"),
        other.id[:12],
    ]


async def test_joining_the_network_of_nobody_is_refused(engine):
    with pytest.raises(NotFound, match="No such container: nobody"):
        await engine.containers.create(sh("true", network="container:nobody"))


async def test_any_user_may_bind_a_low_port_and_ping(engine):
    script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range"
    assert await out(engine, script) == ["0", "0\t2147483647"]


async def test_the_command_is_process_one_and_sees_no_other(engine):
    assert await out(engine, "echo $$ /proc/[0-9]*") == ["1 /proc/1"]


async def test_capabilities_are_dockers_and_none_for_a_user(engine):
    default = f"{capability_bits(capability_names()):016x}"
    found = await out(engine, "grep -E 'Cap(Bnd|Eff|Inh)' /proc/self/status | cut -f2")
    assert found == ["0000000000000000", default, default]
    assert (await out(engine, "grep CapEff /proc/self/status | cut -f2", user="1000")) == ["0000000000000000"]


async def test_dropped_capabilities_are_gone(engine):
    code, _, err = await run(engine, sh("chown 1 /tmp", cap_drop=("chown",)))
    assert code != 0
    assert b"not permitted" in err


async def test_no_new_privileges_is_set_on_request(engine):
    script = "grep NoNewPrivs /proc/self/status | cut -f2"
    assert await out(engine, script) == ["0"]
    assert await out(engine, script, no_new_privileges=True) == ["1"]


async def test_kernel_paths_are_hidden_and_protected(engine):
    files = [path for path in MASKED_PATHS if os.path.isfile(path)]
    folders = [path for path in MASKED_PATHS if os.path.isdir(path)]
    script = "; ".join([f"wc -c < {path}" for path in files] + [f"ls {path} | wc -l" for path in folders])
    assert set(await out(engine, script)) == {"0"}
    for path in ("/proc/sys/kernel/hostname", "/sys/kernel/x", "/sys/fs/cgroup/x"):
        code, _, err = await run(engine, sh(f"echo x > {path}"))
        assert (code != 0, b"Read-only" in err) == (True, True), path


async def test_dev_is_minimal(engine):
    assert await out(engine, "ls /dev") == (
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
    )


async def test_a_made_device_cannot_be_opened(engine):
    """The host's first disk, or its memory where it has none of that number."""
    code, _, err = await run(engine, sh("mknod /disk b 254 0; mknod /mem c 1 1; cat /disk || cat /mem"))
    assert code != 0
    assert b"not permitted" in err


async def test_the_host_file_system_is_not_to_be_seen(engine):
    roots = await out(engine, "ls -di / /..; cut -d' ' -f4 /proc/self/mountinfo | grep -c /upper || true")
    assert roots[0].split()[0] == roots[1].split()[0]
    assert roots[2] == "0"


async def test_limits_hold(engine):
    code, _, _ = await run(engine, sh("tail /dev/zero", resources=Resources(memory=16 << 20)))
    assert code == 137
    text = (
        await run(
            engine, sh("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done", resources=Resources(pids_limit=4))
        )
    )[2]
    assert b"fork" in text or b"Resource temporarily unavailable" in text


async def test_a_container_that_ran_out_of_memory_says_so(engine):
    container = await started(engine, sh("tail /dev/zero", resources=Resources(memory=16 << 20)))
    await engine.containers.wait(container.id)
    assert (await engine.containers.get(container.id)).state.oom_killed


async def test_a_cpuset_is_kept(engine):
    assert await out(
        engine, "grep Cpus_allowed_list /proc/self/status | cut -f2", resources=Resources(cpuset_cpus="0")
    ) == ["0"]


async def test_a_privileged_container_has_it_all(engine):
    found = await out(
        engine, "grep CapEff /proc/self/status | cut -f2; mount -t tmpfs x /tmp && echo ok", privileged=True
    )
    assert found[1] == "ok"
    assert int(found[0], 16) & (1 << 21)


async def test_without_a_device_list_nobody_may_make_devices(engine):
    container = await engine.containers.create(sh("true"))
    around = Surroundings(
        cgroups=HostCgroups(unified="/sys/fs/cgroup"),
        lower=("/lower",),
        hostname="box",
        attachment=Attachment(hosts="", resolv_conf=""),
    )
    bits = container_bundle(engine.paths, container, around)["process"]["capabilities"]["effective"]
    assert bits == capability_bits(capability_names(drop=("MKNOD",)))


async def test_nothing_of_an_ended_container_is_left_in_the_cgroups(engine):
    container = await started(engine, sh("sleep 60 & sleep 61"))
    host = read_host()
    folders = [f"{one.mount}/tuidock/{container.id}" for one in host.hierarchies] or [
        f"{host.unified}/tuidock/{container.id}"
    ]
    assert any(map(os.path.isdir, folders))
    await engine.containers.kill(container.id)
    assert not any(map(os.path.isdir, folders))

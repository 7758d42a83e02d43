from __future__ import annotations

import asyncio
import glob
import os
import signal
import subprocess

import pytest

from engine.engine import Engine
from engine.errors import EngineError, StoreFailure
from engine.options import BootstrapOptions, ContainerFilter, ExecOptions, RemoveContainerOptions
from engine.paths import Paths
from engine.shim.lock import lock_holder
from tests.support.containers import sh

pytestmark = pytest.mark.root


@pytest.fixture
def small_paths(short_folder):
    """A root that is on a file system of 24 MB."""
    root = f"{short_folder}/small"
    os.mkdir(root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", root], check=True)
    yield Paths(root=f"{root}/root", run=f"{short_folder}/run")
    for lock in glob.glob(f"{short_folder}/run/c/*/lock"):  # after a test that failed
        os.kill(lock_holder(lock), signal.SIGKILL)
    subprocess.run(["umount", "-l", root], check=True)


@pytest.fixture
async def small_engine(small_paths):
    """An engine on that root, with busybox in it."""
    engine = await Engine.open(small_paths)
    try:
        await engine.images.bootstrap(BootstrapOptions(name="busybox"), lambda _fact: None)
        yield engine
        for container in await engine.containers.list(ContainerFilter(all=True)):
            await engine.containers.remove(container.id, RemoveContainerOptions(force=True, volumes=True))
    finally:
        await engine.close()


def fill(engine: Engine) -> str:
    path = f"{engine.paths.root}/ballast"
    with open(path, "wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    return path


async def test_create_on_a_full_disk_explains_itself_and_leaves_nothing(small_engine):
    ballast = fill(small_engine)
    with pytest.raises(StoreFailure, match=r"full|No space left") as caught:
        await small_engine.containers.create(sh("true"))
    assert caught.value.remedy
    os.unlink(ballast)
    assert await small_engine.containers.list(ContainerFilter(all=True)) == ()
    assert os.listdir(small_engine.paths.containers) == []


async def test_start_on_a_full_disk_explains_itself_and_can_be_tried_again(small_engine):
    container = await small_engine.containers.create(sh("exit 3"))
    ballast = fill(small_engine)
    with pytest.raises(StoreFailure, match=r"full|No space left"):
        await small_engine.containers.start(container.id)
    os.unlink(ballast)
    await small_engine.containers.start(container.id)
    assert await small_engine.containers.wait(container.id) == 3


async def test_a_container_can_be_removed_from_a_full_disk(small_engine):
    container = await small_engine.containers.create(sh("dd if=/dev/zero of=/big bs=1M count=4"))
    await small_engine.containers.start(container.id)
    await small_engine.containers.wait(container.id)
    ballast = fill(small_engine)
    await small_engine.containers.remove(container.id, RemoveContainerOptions())
    assert await small_engine.containers.list(ContainerFilter(all=True)) == ()
    os.unlink(ballast)


async def test_a_container_that_ends_on_a_full_disk_keeps_its_exit_code(small_engine):
    container = await small_engine.containers.create(sh("trap 'exit 7' TERM; while :; do sleep 0.05; done"))
    await small_engine.containers.start(container.id)
    await asyncio.sleep(0.2)  # until the trap is set
    ballast = fill(small_engine)
    pid = lock_holder(small_engine.paths.container_lock(container.id))
    os.kill(pid, signal.SIGTERM)
    async with asyncio.timeout(10):
        while lock_holder(small_engine.paths.container_lock(container.id)):
            await asyncio.sleep(0.01)
    os.unlink(ballast)
    state = (await small_engine.containers.get(container.id)).state
    assert (state.status, state.exit_code, state.error) == ("exited", 7, "")


async def test_a_container_that_floods_its_log_takes_nothing_away_from_the_engine(small_paths):
    script = "dd if=/dev/zero bs=64k count=512 2>&-; while :; do echo 0123456789; done"
    async with await Engine.open(small_paths) as engine:
        await engine.images.bootstrap(BootstrapOptions(name="busybox"), lambda _fact: None)
        container = await engine.containers.create(sh(script))
        await engine.containers.start(container.id)
    await log_stands(small_paths.container_log(container.id))
    fill(engine)
    failed = []
    for verb in ("list", "exec", "list", "stop", "list", "remove", "list"):  # each a command of its own
        try:
            async with await Engine.open(small_paths) as engine:
                await _do(engine.containers, verb, container.id)
        except EngineError as error:
            failed.append((verb, str(error)))
    os.unlink(f"{small_paths.root}/ballast")
    async with await Engine.open(small_paths) as engine:
        assert (failed, await engine.containers.list(ContainerFilter(all=True))) == ([], ())


async def log_stands(path: str) -> None:
    """Wait until the log has not grown for a while."""
    size = -1
    while size != (size := os.path.getsize(path)) or not size:
        await asyncio.sleep(0.3)


async def _do(containers, verb: str, container_id: str) -> None:
    if verb == "list":
        await containers.list(ContainerFilter(all=True))
    elif verb == "exec":
        assert await (await containers.exec(container_id, ExecOptions(command=("true",)))).wait() == 0
    elif verb == "stop":
        await containers.stop(container_id, timeout=0)
    else:
        await containers.remove(container_id, RemoveContainerOptions(force=True))


async def test_a_root_without_any_space_left_can_still_be_emptied(small_paths):
    async with await Engine.open(small_paths) as engine:
        await engine.images.bootstrap(BootstrapOptions(name="busybox"), lambda _fact: None)
        container = await engine.containers.create(sh("true"))
    fill(engine)
    async with await Engine.open(small_paths) as engine:
        await engine.containers.remove(container.id, RemoveContainerOptions())
        assert await engine.containers.list(ContainerFilter(all=True)) == ()


async def test_a_root_without_any_inode_left_can_still_be_emptied(small_paths):
    async with await Engine.open(small_paths) as engine:
        await engine.images.bootstrap(BootstrapOptions(name="busybox"), lambda _fact: None)
        container = await engine.containers.create(sh("sleep 1000"))
        await engine.containers.start(container.id)
    disk = os.path.dirname(small_paths.root)
    status = os.statvfs(disk)
    options = f"remount,nr_inodes={status.f_files - status.f_ffree + 50}"
    subprocess.run(["mount", "-o", options, disk], check=True)
    while os.statvfs(disk).f_ffree:
        os.close(os.open(f"{disk}/{os.statvfs(disk).f_ffree}", os.O_CREAT))
    for verb in ("list", "remove", "list"):
        async with await Engine.open(small_paths) as engine:
            await _do(engine.containers, verb, container.id)
    async with await Engine.open(small_paths) as engine:
        assert await engine.containers.list(ContainerFilter(all=True)) == ()
